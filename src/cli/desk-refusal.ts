/** desk-refusal words why a log that was handed over is not believed, and what to do about it. */
import { unreachable } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { explain } from "../membership/explain.ts";
import type { DossierRejection } from "../wire/dossier.ts";

const ask = "show it to the network's other approvers before anybody signs anything";

export function wordDossierRefusal(rejection: DossierRejection): Fault {
  const [what, remedy] = wordsFor(rejection);
  return new Fault("membership_rejected", `the log is not believed: ${what} (${rejection.code})`, {
    remedy,
  });
}

function wordsFor(rejection: DossierRejection): readonly [what: string, remedy: string] {
  switch (rejection.code) {
    case "history_behind":
      return [
        `it ends at epoch ${rejection.epoch}, and this machine has seen epoch ${rejection.held}`,
        `somebody shows you an old one, or the server was restored from a backup: ${ask}`,
      ];
    case "history_forked":
      return [
        `at epoch ${rejection.epoch} it says something else than this machine has seen`,
        `keep this machine as it is: it holds evidence; ${ask}`,
      ];
    case "genesis_refused":
    case "snapshot_refused":
    case "entry_refused": {
      const { message, remedy } = explain(rejection.why);
      const where = rejection.code === "entry_refused" ? `entry ${rejection.epoch}: ` : "";
      return [`${where}${message}`, remedy];
    }
    default:
      return unreachable(rejection);
  }
}
