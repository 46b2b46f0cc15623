/** join turns a token into a membership: it enrolls, and believes the answer only as far as it verifies. */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { encodeHex } from "../base/bytes.ts";
import type { Random } from "../crypto/ed25519.ts";
import { sealEnvelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import { append, found, type Membership } from "../membership/membership.ts";
import type { Rejection } from "../membership/rejection.ts";
import { nodeWithKey } from "../membership/state.ts";
import { Nonce } from "../model/ids.ts";
import type { NodeName } from "../model/names.ts";
import {
  type EnrollmentOutput,
  type EnrollmentRequest,
  enrollmentType,
} from "../wire/enrollment.ts";
import { type JoinToken, parseJoinToken } from "../wire/join-token.ts";
import * as v from "valibot";
import type { OpenControlClient } from "./control-client.ts";
import type { Enrollment, NodeKeys, NodeState } from "./node-state.ts";

export function readToken(text: string): JoinToken {
  const token = parseJoinToken(text);
  if (token !== null) return token;
  throw new Fault("credential_invalid", "this is not a join token, or not the whole of one", {
    remedy: "copy it again, or make a new one: rustynet credential create",
  });
}

/** Enrolls this host. Nothing is kept unless the answer proves that the host was admitted. */
export async function enroll(
  parts: {
    readonly state: NodeState;
    readonly openClient: OpenControlClient;
    readonly clock: Clock;
    readonly random: Random;
  },
  { identity }: NodeKeys,
  token: JoinToken,
  name: NodeName,
): Promise<Enrollment> {
  const { url, pin, network, genesis } = token;
  const request: EnrollmentRequest = {
    network,
    key: identity.publicKey,
    name,
    nonce: v.parse(Nonce, encodeHex(parts.random(16))),
    issuedAt: parts.clock.nowS(),
  };
  const client = parts.openClient({ url, pin, signer: identity });
  const answer = await client.enroll({
    secret: token.secret,
    request: sealEnvelope(enrollmentType, request, [identity]),
  });
  if (answer.status === "waiting") return answer;
  const { state } = verifyAnswer(answer, token, parts.clock.nowS());
  const member = nodeWithKey(state, identity.publicKey);
  if (member === undefined) throw notBelieved("the log does not name this host");
  const enrollment: Enrollment = { url, pin, network, genesis, node: member.id, wanted: "up" };
  parts.state.writeJoined(answer.genesis, answer.entries, enrollment);
  return enrollment;
}

function verifyAnswer(answer: EnrollmentOutput, token: JoinToken, nowS: number): Membership {
  const founded = found(answer.genesis, token.genesis);
  if (!founded.ok) throw refusedBy("genesis statement", founded.error);
  let membership = founded.value;
  if (membership.state.network !== token.network)
    throw new Fault("network_mismatch", "the control server serves another network");
  for (const entry of answer.entries) {
    const next = append(membership, entry, nowS);
    if (!next.ok) throw refusedBy(`entry ${membership.state.epoch + 1}`, next.error);
    membership = next.value;
  }
  return membership;
}

function refusedBy(what: string, rejection: Rejection): Fault {
  const { message, remedy } = explain(rejection);
  return notBelieved(`${what}: ${message} (${rejection.code}); ${remedy}`);
}

const notBelieved = (what: string): Fault =>
  new Fault("membership_rejected", `the control server's answer was not believed: ${what}`, {
    remedy: "nothing was kept; ask the network's operator whether the server is theirs",
  });
