/** map-refusal says to people why a map was not believed, and what to do about it. */
import { explain } from "../membership/explain.ts";
import type { Rejection } from "../membership/rejection.ts";
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
  const { code } = refusal;
  if (code === "entry_refused") return inside(refusal.why);
  if (code === "envelope_refused" || code === "payload_unknown") return inside(refusal);
  if (code === "map_older") return ["it counts lower than one that was believed before", recount];
  if (code === "control_key_unknown")
    return ["the network does not name the key that signed it as a control key", look];
  return [code, look];
}

const recount =
  "if the control key may be stolen, or the server was restored from a backup, " +
  "name another control key and revoke this one";

function inside(rejection: Rejection): readonly [words: string, remedy: string] {
  const { message, remedy } = explain(rejection);
  return [message, remedy];
}
