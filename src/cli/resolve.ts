/** resolve says of two changes that a quorum signed for one state that somebody has looked into it. */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { UpdateId } from "../model/ids.ts";
import { daemonOption, openDaemonClient } from "./client.ts";
import { defineCommand } from "./command.ts";
import { renderFindings } from "./status-text.ts";
import { quoted } from "./text.ts";

export const resolveConflict = defineCommand({
  summary: "Say that you have looked into a conflict that this node found",
  details: [
    "The change that the node followed stays in force, and both signed changes stay on disk. On the",
    "control server's host the same is said there with: rustynet membership reject ID --reason TEXT",
  ],
  args: {
    id: { type: "positional", description: "As rustynet status names the conflict" },
    ...daemonOption,
  },
  run: async ({ id, socket }) => {
    const parsed = v.safeParse(UpdateId, id);
    if (!parsed.success)
      throw new Fault("usage", `${quoted(id)} is no change's id, which has 32 hex digits`, {
        remedy: "rustynet status names the conflicts that are open",
      });
    const status = await openDaemonClient(socket)("membershipResolve", { id: parsed.output });
    return {
      document: status,
      lines: [`conflict ${parsed.output} is resolved; the evidence is kept`],
      notes: renderFindings(status.findings),
    };
  },
});
