/** join asks to become a node, and believes the answer only as far as it verifies. */
import * as v from "valibot";
import { unreachable } from "../base/assert.ts";
import { encodeBase64Url, encodeHex } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import { sealEnvelope } from "../crypto/envelope.ts";
import type { Membership } from "../membership/membership.ts";
import { nodeWithKey } from "../membership/state.ts";
import { Nonce } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import type { NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import { type DossierRejection, openHistory } from "../wire/dossier.ts";
import {
  type EnrollmentOutput,
  type EnrollmentRequest,
  enrollmentType,
  type History,
} from "../wire/enrollment.ts";
import { EnrollmentSecret } from "../wire/join-token.ts";
import type { NetworkCard } from "../wire/network-card.ts";
import type { OpenControlClient } from "./control-client.ts";
import { wordsFor } from "./membership-file.ts";
import type { Enrollment, KeptRequest, NodeState } from "./node-state.ts";

export type JoinParts = {
  readonly state: NodeState;
  readonly openClient: OpenControlClient;
  readonly clock: Clock;
  readonly random: Random;
};

/** Asks once. The same key with the same secret gets the same answer, or a later one. */
export async function ask(
  parts: JoinParts,
  identity: SigningSecret,
  { card, name, secret }: KeptRequest,
): Promise<EnrollmentOutput> {
  const client = parts.openClient({ url: card.url, pin: card.pin, signer: identity });
  const text = secret.expose((bytes) => encodeBase64Url(bytes));
  return client.enroll({
    secret: v.parse(EnrollmentSecret, text),
    request: sealRequest(parts, card, name, identity, [identity]),
  });
}

/** A request of this host, with a nonce of its own: nobody sends it twice. */
export function sealRequest(
  { clock, random }: Pick<JoinParts, "clock" | "random">,
  { network }: Pick<NetworkCard, "network">,
  name: NodeName,
  { publicKey: key }: SigningSecret,
  signers: readonly SigningSecret[],
) {
  const nonce = v.parse(Nonce, encodeHex(random(16)));
  const request: EnrollmentRequest = { network, key, name, nonce, issuedAt: clock.nowS() };
  return sealEnvelope(enrollmentType, request, signers);
}

/** Keeps the answer if it proves that the host was admitted. */
export function keepAdmission(
  { state, clock }: Pick<JoinParts, "state" | "clock">,
  key: SigningKey,
  card: NetworkCard,
  history: History,
): Enrollment {
  const membership = believeHistory(history, card, clock.nowS());
  const member = nodeWithKey(membership.state, key);
  if (member === undefined) throw notBelieved("the log does not name this host");
  const { url, pin, network, genesis } = card;
  const enrollment: Enrollment = { url, pin, network, genesis, node: member.id, wanted: "up" };
  state.writeJoined(history, enrollment);
  return enrollment;
}

/** Where the log leads that the control server showed, from the genesis root that the token named. */
export function believeHistory(
  history: History,
  { network, genesis }: Pick<NetworkCard, "network" | "genesis">,
  now: UnixS,
): Membership {
  const opened = openHistory(history, genesis, now);
  if (!opened.ok) throw notBelieved(wordsOf(opened.error));
  if (opened.value.state.network === network) return opened.value;
  throw new Fault("network_mismatch", "the control server serves another network");
}

function wordsOf(rejection: DossierRejection): string {
  switch (rejection.code) {
    case "genesis_refused":
      return `genesis statement: ${wordsFor(rejection.why)}`;
    case "snapshot_refused":
      return `snapshot: ${wordsFor(rejection.why)}`;
    case "entry_refused":
      return `entry ${rejection.epoch}: ${wordsFor(rejection.why)}`;
    case "history_behind":
    case "history_forked":
      return `it is not the log that was shown before (${rejection.code})`;
    default:
      return unreachable(rejection);
  }
}

const notBelieved = (what: string): Fault =>
  new Fault("membership_rejected", `the control server's answer was not believed: ${what}`, {
    remedy: "nothing was kept; ask the network's operator whether the server is theirs",
  });
