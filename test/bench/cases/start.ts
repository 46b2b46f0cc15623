/** start: how long a daemon takes to believe what it has on disk, after a long history. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { output } from "../../../scripts/run.ts";
import type { Bench, Case } from "../bench.ts";
import type { FigureSpec } from "../figure.ts";

const Read = v.strictObject({ ms: v.number(), nodes: v.number(), advertisements: v.number() });

const program = join(import.meta.dir, "../programs/cold-start.ts");

/** This node itself has one of the 50,000 places. */
const membersMax = 49_999;

const figure = (name: string, about: string): FigureSpec => ({
  name,
  unit: "ms",
  better: "less",
  sizedBy: "members",
  about,
});

export const start: Case = {
  name: "start",
  about:
    "A daemon starts in a network that has seen 100,000 updates, two of three approvers signing each: it " +
    "verifies genesis, 20 changes of the approvers, the last checkpoint, and 100 entries after it.",
  figures: [
    figure("membership", "from the files to the membership, nobody having advertised himself yet"),
    figure("everything", "the same, with an advertisement of every member to verify"),
  ],
  run: async (bench) => {
    const sizes = bench.isQuick ? [1_000] : [1_000, 10_000, 50_000];
    for (const size of sizes) {
      await measure(bench, "membership", size, 0);
      if (size <= 10_000) await measure(bench, "everything", size, size);
    }
    bench.note(
      "Members are put into the state that the checkpoint vouches for, and were not admitted one by one.",
    );
  },
};

async function measure(bench: Bench, name: string, size: number, heard: number): Promise<void> {
  bench.say(`${name}: ${size} members`);
  const directory = mkdtempSync(join(tmpdir(), "rustynet-bench-"));
  const members = String(Math.min(size, membersMax));
  try {
    await output([process.execPath, program, "make", directory, members, String(heard)], "/");
    for (let round = 0; round < (bench.isQuick ? 5 : 15); round++) {
      const text = await output([process.execPath, program, "read", directory], "/");
      bench.record(name, v.parse(Read, JSON.parse(text)).ms, size);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
