/** map-refusal says to people why a map was not believed, and what to do about it. */
import { explain } from "../membership/explain.ts";
import type { Finding } from "../wire/local-api.ts";
import type { MapRefusal } from "./belief.ts";

/** Names the code of the refusal, and of the one inside it, so that programs find both. */
export function findingOfMap(refusal: MapRefusal): Finding {
  const [words, remedy] = explained(refusal);
  return {
    code: "map_rejected",
    message: `a map from the control server was not believed: ${words}: ${JSON.stringify(refusal)}`,
    remedy: `the last verified state stays in force; ${remedy}`,
  };
}

const look = "look at the control server";

function explained(refusal: MapRefusal): readonly [words: string, remedy: string] {
  switch (refusal.code) {
    case "entry_refused": {
      const { message, remedy } = explain(refusal.why);
      return [message, remedy];
    }
    case "envelope_refused":
    case "payload_unknown": {
      const { message, remedy } = explain(refusal);
      return [message, remedy];
    }
    case "map_older":
      return [
        "it counts lower than one that was believed before",
        "if the control key may be stolen, name another and revoke it; if the server was restored from a backup, too",
      ];
    case "control_key_unknown":
      return ["the network does not name the key that signed it as a control key", look];
    default:
      return [refusal.code, look];
  }
}
