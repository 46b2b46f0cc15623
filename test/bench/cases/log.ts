/** log: what the membership log costs whoever verifies it, from genesis and from a checkpoint on. */
import { join } from "node:path";
import * as v from "valibot";
import { output } from "../../../scripts/run.ts";
import type { Bench, Case } from "../bench.ts";
import { limits } from "../figure.ts";

const program = join(import.meta.dir, "../programs/log.ts");
const Replayed = v.array(v.strictObject({ replay: v.number() }));
const Begun = v.array(
  v.strictObject({ parse: v.number(), restore: v.number(), tail: v.number(), begin: v.number() }),
);

/** Each update is signed by two of three. */
const signaturesPerUpdate = 2;

/** A process for each size, so that none works in the memory of another. Its log is made once. */
async function rounds<T extends v.GenericSchema>(
  schema: T,
  mode: "replay" | "restore",
  size: number,
  count: number,
): Promise<v.InferOutput<T>> {
  const argv = [process.execPath, program, mode, String(size), String(count)];
  return v.parse(schema, JSON.parse(await output(argv, "/")));
}

async function measureReplay(bench: Bench): Promise<void> {
  const sizes = bench.isQuick ? [1_000, 10_000] : [1_000, 10_000, 100_000];
  for (const updates of sizes) {
    bench.say(`${updates} updates`);
    const count = updates > 10_000 ? 3 : 10;
    for (const { replay } of await rounds(Replayed, "replay", updates, count)) {
      bench.record("replay", replay, updates);
      bench.record("signatures", (updates * signaturesPerUpdate * 1_000) / replay, updates);
    }
  }
}

async function measureBeginning(bench: Bench): Promise<void> {
  for (const nodes of [1_000, 50_000]) {
    bench.say(`a checkpoint with ${nodes} nodes`);
    for (const took of await rounds(Begun, "restore", nodes, bench.isQuick ? 5 : 10))
      for (const [part, ms] of Object.entries(took)) bench.record(part, ms, nodes);
  }
}

const ofNodes = { unit: "ms", better: "less", sizedBy: "nodes" } as const;

export const log: Case = {
  name: "log",
  about:
    "A log, whose updates two of three approvers signed, is verified in one process: from genesis, and from a " +
    "checkpoint with 1,000 entries after it.",
  figures: [
    {
      name: "replay",
      unit: "ms",
      better: "less",
      sizedBy: "updates",
      about: "from the text of each entry to the membership, from genesis on",
    },
    {
      name: "signatures",
      unit: "1/s",
      better: "more",
      sizedBy: "updates",
      about: "the same, by how many signatures were verified in a second",
      limit: limits.signaturesPerS,
    },
    {
      name: "begin",
      ...ofNodes,
      about:
        "from the text of a snapshot and of 1,000 entries to the membership; the three parts follow",
      limit: limits.beginMs,
    },
    { name: "parse", ...ofNodes, about: "from the text of the snapshot to its parts" },
    { name: "restore", ...ofNodes, about: "from there to the membership at the checkpoint" },
    { name: "tail", ...ofNodes, about: "from there over the 1,000 entries, with 2,000 signatures" },
  ],
  run: async (bench) => {
    await measureReplay(bench);
    await measureBeginning(bench);
    bench.note(
      "A replay must grow with the power of 1: each entry costs the same, however many there are.",
    );
  },
};
