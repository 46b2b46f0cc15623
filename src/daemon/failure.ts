/** failure words what went wrong, once for the lifecycle and once for people. */
import { Fault } from "../base/fault.ts";
import type { Failure } from "../dataplane/lifecycle.ts";
import type { Finding } from "../wire/local-api.ts";

export const outOfTrust: Failure = {
  area: "trust",
  code: "hold_expired",
  message: "no verified map for longer than the hold time, so nothing passes",
  remedy: "bring the control server back, or look at `rustynet status` for why it is refused",
};

export const notActive = (status: string): Failure => ({
  area: "trust",
  code: "revoked",
  message: `this node is ${status} in the membership, so the tunnel was removed`,
  remedy: "ask the network's operator; to join anew: rustynet logout --local, rustynet up TOKEN",
});

/** Rethrows what is no fault: that is a bug, and nobody's to handle. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Fault)) throw error;
  const { code, message, remedy } = error;
  return { area: "host", code, message, remedy };
}

/** The same for people. A remedy that is not there is left out. */
export function findingOf(error: unknown): Finding {
  return toFinding(failureOf(error));
}

export const toFinding = ({ code, message, remedy }: Failure): Finding => ({
  code,
  message,
  ...(remedy === undefined ? {} : { remedy }),
});
