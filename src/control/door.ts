/**
 * door is the way in from the network: it proves by the request's signature which member sends it,
 * once and for this server only, before anything of the request is acted on.
 */
import { unreachable } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { activeApprovers, type Node, nodeWithKey } from "../membership/state.ts";
import type { SigningKey } from "../model/keys.ts";
import { type RequestRejection, verifyRequest } from "../wire/request-signature.ts";
import type { Door } from "./api.ts";
import type { Anyone, ApproverCaller, Control, Member } from "./control.ts";
import { spend } from "./replays.ts";

type Proven = Omit<Member, "address"> | Omit<ApproverCaller, "address">;

/** Requests from the network at large. Nobody there is an operator. */
export const networkDoor = (control: Control, address: string): Door => ({
  identify: (request, body) => identify(control, request, body, address),
});

/**
 * Throws when a signature is there and does not prove a member whom `refuse` lets pass; without a
 * signature it is anyone.
 */
export async function identify(
  control: Control,
  request: Request,
  body: Uint8Array,
  address: string,
  refuse: (node: Node) => void = refuseInactive,
): Promise<Anyone | Member | ApproverCaller> {
  if (request.headers.get("signature-input") === null) return { kind: "anyone", address };
  try {
    return { ...(await prove(control, request, body, refuse)), address };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { pathname: endpoint } = new URL(request.url);
    const [identity = ""] = /[0-9a-f]{64}/.exec(request.headers.get("signature-input") ?? "") ?? [];
    const fields = { address, identity, endpoint, failure: error.code, decision: error.message };
    control.log.notice("request_refused", fields);
    throw error;
  }
}

async function prove(
  control: Control,
  request: Request,
  body: Uint8Array,
  refuse: (node: Node) => void,
): Promise<Proven> {
  const { headers, method } = request;
  const verified = await verifyRequest({
    method,
    url: targetOf(request),
    headers,
    body,
    nowS: control.clock.nowS(),
    isKnown: (key) => holderOf(control, key) !== null,
  });
  if (!verified.ok) throw refusalOf(verified.error);
  const proven = holderOf(control, verified.value.key);
  if (proven === null) throw refusalOf({ code: "key_unknown", key: verified.value.key });
  if (proven.kind === "member") refuse(proven.node);
  await spend(control, verified.value);
  return proven;
}

/** Whose key this is. A key has one role in the network, so there is no choice. */
function holderOf(control: Control, key: SigningKey): Proven | null {
  const node = memberWithKey(control, key);
  if (node !== undefined) return { kind: "member", node };
  const approver = activeApprovers(control.network.state).find((each) => each.key === key);
  if (approver !== undefined) return { kind: "approver", approver, isCandidate: false };
  const candidate = control.undecided.candidateWithKey(key);
  if (candidate === undefined) return null;
  return { kind: "approver", approver: candidate, isCandidate: true };
}

function refuseInactive(node: Node): void {
  if (node.status === "revoked") throw revoked();
  refuseQuarantined(node);
}

function refuseQuarantined({ status }: Node): void {
  if (status !== "quarantined") return;
  throw new Fault("permission_denied", `this node is ${status}`, {
    remedy: "ask an owner of the network",
  });
}

export const revoked = (): Fault =>
  new Fault("revoked", "this node was expelled from the network", {
    remedy: "rustynet logout --local, then join again with a new token",
  });

/** One whose record is gone is met as a revoked one is: it may come to be told so. */
const memberWithKey = ({ network }: Control, key: SigningKey): Node | undefined =>
  nodeWithKey(network.state, key) ?? network.removedWithKey(key);

/** RFC 9421 section 2.2.2: what the client asked for, by the name it used for us. */
function targetOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  return `https://${request.headers.get("host") ?? ""}${pathname}${search}`;
}

function refusalOf(rejection: RequestRejection): Fault {
  switch (rejection.code) {
    case "key_unknown":
      return new Fault("permission_denied", "no member of this network has this key", {
        remedy:
          "join with a token first: rustynet up TOKEN; an approver's key has to be in force: " +
          "ask another approver for rustynet membership status",
      });
    case "clock_skew": {
      const offS = rejection.createdS - rejection.nowS;
      const which = offS > 0 ? "ahead of" : "behind";
      return new Fault("clock_skew", `the clock is ${Math.abs(offS)} s ${which} this server's`, {
        remedy: "set both clocks, for example by enabling systemd-timesyncd",
      });
    }
    case "signature_missing":
    case "signature_malformed":
    case "signature_invalid":
    case "digest_mismatch":
      return new Fault("signature_invalid", `the request's signature: ${rejection.code}`);
    default:
      return unreachable(rejection);
  }
}
