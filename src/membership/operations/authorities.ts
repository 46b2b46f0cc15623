/** authorities: which keys sign maps, which belong to relays, and which policy is in force. */
import { err, ok, type Result } from "../../base/result.ts";
import type { SigningKey } from "../../model/keys.ts";
import { refuseKey, retireKey } from "../keys.ts";
import type { OperationRejection } from "../rejection.ts";
import { authoritiesMax, type PolicyPin, type State } from "../state.ts";

type Reduced = Result<State, OperationRejection>;

export const addControlKey = (state: State, key: SigningKey): Reduced => add(state, "control", key);
export const addRelayKey = (state: State, key: SigningKey): Reduced => add(state, "relays", key);
export const revokeRelayKey = (state: State, key: SigningKey): Reduced =>
  revoke(state, "relays", key);

/** Without a control key no map would ever be believed again, not even the one that names another. */
export function revokeControlKey(state: State, key: SigningKey): Reduced {
  const isLast = state.control.length === 1 && state.control.includes(key);
  return isLast ? err({ code: "last_control_key", key }) : revoke(state, "control", key);
}

export function pinPolicy(state: State, policy: PolicyPin): Reduced {
  const isSame = nameOf(policy) === nameOf(state.policy);
  return isSame ? err({ code: "nothing_changes" }) : ok({ ...state, policy });
}

const nameOf = (policy: PolicyPin): string =>
  policy.kind === "document" ? policy.hash : policy.kind;

function add(state: State, list: "control" | "relays", key: SigningKey): Reduced {
  if (state[list].length >= authoritiesMax)
    return err({ code: "too_many_authorities", limit: authoritiesMax });
  const refusal = refuseKey(state, key);
  if (refusal !== null) return err(refusal);
  return ok({ ...state, [list]: [...state[list], key].sort() });
}

function revoke(state: State, list: "control" | "relays", key: SigningKey): Reduced {
  if (!state[list].includes(key)) return err({ code: "authority_unknown", key });
  const rest = state[list].filter((other) => other !== key);
  return ok(retireKey({ ...state, [list]: rest }, key));
}
