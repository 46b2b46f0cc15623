/** join turns a token into a membership: it enrolls, and believes the answer only as far as it verifies. */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { encodeHex } from "../base/bytes.ts";
import type { Random } from "../crypto/ed25519.ts";
import { sealEnvelope } from "../crypto/envelope.ts";
import type { Membership } from "../membership/membership.ts";
import { nodeWithKey } from "../membership/state.ts";
import { Nonce } from "../model/ids.ts";
import type { NodeName } from "../model/names.ts";
import type { SigningKey } from "../model/keys.ts";
import type { UnixS } from "../model/time.ts";
import { type DossierRejection, openHistory } from "../wire/dossier.ts";
import {
  type Admission,
  type EnrollmentRequest,
  enrollmentType,
  type History,
} from "../wire/enrollment.ts";
import { type JoinToken, parseJoinToken } from "../wire/join-token.ts";
import * as v from "valibot";
import type { OpenControlClient } from "./control-client.ts";
import { wordsFor } from "./membership-file.ts";
import type { Enrollment, NodeKeys, NodeState } from "./node-state.ts";

export function readToken(text: string): JoinToken {
  const token = parseJoinToken(text);
  if (token !== null) return token;
  throw new Fault("credential_invalid", "this is not a join token, or not the whole of one", {
    remedy: "copy it again, or make a new one: rustynet credential create",
  });
}

export type JoinParts = {
  readonly state: NodeState;
  readonly openClient: OpenControlClient;
  readonly clock: Clock;
  readonly random: Random;
};

/** Which network it is, and where it is asked about. */
export type Place = Pick<JoinToken, "url" | "pin" | "network" | "genesis">;

/** Enrolls this host. Nothing is kept unless the answer proves that the host was admitted. */
export async function enroll(
  parts: JoinParts,
  { identity }: NodeKeys,
  token: JoinToken,
  name: NodeName,
): Promise<Enrollment> {
  const { url, pin, network } = token;
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
  if (answer.status === "waiting")
    throw new Fault("unavailable", "the approvers of this network have not decided yet", {
      remedy: "ask again later: rustynet up TOKEN",
    });
  return keepAdmission(parts, identity.publicKey, token, answer);
}

/** Keeps the answer if it proves that the host was admitted. */
export function keepAdmission(
  { state, clock }: Pick<JoinParts, "state" | "clock">,
  key: SigningKey,
  { url, pin, network, genesis }: Place,
  answer: Admission,
): Enrollment {
  const membership = believeHistory(answer, { network, genesis }, clock.nowS());
  const member = nodeWithKey(membership.state, key);
  if (member === undefined) throw notBelieved("the log does not name this host");
  const enrollment: Enrollment = { url, pin, network, genesis, node: member.id, wanted: "up" };
  state.writeJoined(answer, enrollment);
  return enrollment;
}

/** Where the log leads that the control server showed, from the genesis root that the token named. */
export function believeHistory(
  history: History,
  { network, genesis }: Pick<Place, "network" | "genesis">,
  now: UnixS,
): Membership {
  const opened = openHistory(history, genesis, now);
  if (!opened.ok) throw notBelieved(wordsOf(opened.error));
  if (opened.value.state.network === network) return opened.value;
  throw new Fault("network_mismatch", "the control server serves another network");
}

function wordsOf(rejection: DossierRejection): string {
  const what =
    rejection.code === "entry_refused" ? `entry ${rejection.epoch}` : wholes[rejection.code];
  return `${what}: ${wordsFor(rejection.why)}`;
}

const wholes = { genesis_refused: "genesis statement", snapshot_refused: "snapshot" } as const;

const notBelieved = (what: string): Fault =>
  new Fault("membership_rejected", `the control server's answer was not believed: ${what}`, {
    remedy: "nothing was kept; ask the network's operator whether the server is theirs",
  });
