/** control is what every call of the control server works with: stores, keys, time, and the log. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import type { Approver, Node } from "../membership/state.ts";
import type { TlsPin } from "../model/keys.ts";
import type { ControlStore } from "../store/control-store.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import type { AbuseGuard } from "./abuse.ts";
import type { MapStreams } from "./map-stream.ts";
import type { Network } from "./network.ts";
import type { Undecided } from "./undecided.ts";

export type Control = {
  readonly url: ControlUrl;
  readonly pin: TlsPin;
  /** The approver key on this host, if there is one: it signs enrollments, leaves and the operator's calls. */
  readonly approver: SigningSecret | null;
  readonly undecided: Undecided;
  readonly network: Network;
  readonly streams: MapStreams;
  readonly store: ControlStore;
  readonly abuse: AbuseGuard;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

type Address = {
  /** Where the request came from, for limits and the log. */ readonly address: string;
};
export type Anyone = Address & { readonly kind: "anyone" };
export type Member = Address & { readonly kind: "member"; readonly node: Node };
export type ApproverCaller = Address & {
  readonly kind: "approver";
  readonly approver: Approver;
  /** Whether this is only to become an approver, if others decide so. */
  readonly isCandidate: boolean;
};
export type Operator = Address & { readonly kind: "operator"; readonly uid: number };

/** Who asks, once it is proved. */
export type Caller = Anyone | Member | ApproverCaller | Operator;

/** How a caller is named in the audit. */
export function actorOf(caller: Caller): string {
  if (caller.kind === "member") return `node:${caller.node.id}`;
  if (caller.kind === "approver")
    return `${caller.isCandidate ? "candidate" : "approver"}:${caller.approver.name}`;
  return caller.kind === "operator" ? `uid:${caller.uid}` : `address:${caller.address}`;
}
