/** core: what one change costs a daemon in networks of growing size, apart from what the kernel does. */
import { join } from "node:path";
import * as v from "valibot";
import { output } from "../../../scripts/run.ts";
import type { Case } from "../bench.ts";
import type { FigureSpec } from "../figure.ts";

const Took = v.strictObject({
  receive_admission: v.array(v.number()),
  receive_revocation: v.array(v.number()),
  keep: v.array(v.number()),
  follow: v.array(v.number()),
  look: v.array(v.number()),
});

const program = join(import.meta.dir, "../programs/core.ts");

/** Expelled nodes keep their place in the log, and it has 50,000 places. */
const peersMax = 49_900;

const figure = (name: keyof v.InferOutput<typeof Took>, about: string): FigureSpec => ({
  name,
  unit: "us",
  better: "less",
  sizedBy: "peers",
  about,
});

export const core: Case = {
  name: "core",
  about:
    "One node is admitted to a network, or expelled from it, and another one's daemon is told: each " +
    "part of what it does, in one process and without a kernel.",
  figures: [
    figure(
      "receive_admission",
      "verifying the map, its log entry and the advertisement, and taking them into the view",
    ),
    figure("receive_revocation", "the same for a map with a log entry that expels a node"),
    figure("keep", "making the view durable before it is acted on"),
    figure("follow", "finding out what has to change on the host, and telling it"),
    figure(
      "look",
      "comparing the whole host with what is wanted of it, which a change does not wait for",
    ),
  ],
  run: async (bench) => {
    const sizes = bench.isQuick ? [1_000, 10_000] : [1_000, 10_000, 50_000];
    for (const size of sizes) {
      bench.say(`${size} peers`);
      // A process for each size, so that none works in the memory of another.
      const rounds = bench.isQuick || size > 10_000 ? 10 : 30;
      const argv = [process.execPath, program, String(Math.min(size, peersMax)), String(rounds)];
      const took = v.parse(Took, JSON.parse(await output(argv, "/")));
      for (const [part, samples] of Object.entries(took))
        for (const us of samples) bench.record(part, us, size);
    }
    bench.note(
      "All but look must be flat: a change concerns one node, however many there are. A look grows " +
        "with them; there is one every 30 s, and after whatever others do to the network.",
    );
  },
};
