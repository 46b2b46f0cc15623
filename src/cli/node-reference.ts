/** node-reference finds the node that somebody means: by its name, one of its addresses, or its id. */
import { Fault } from "../base/fault.ts";
import type { PeerReport, Status } from "../wire/local-api.ts";
import { quoted } from "./text.ts";

/** Fewer digits of an id would soon fit two nodes. */
const idDigitsMin = 8;

type Member = NonNullable<Status["self"]>;

/** `peer` is null when the node is this host itself. */
export type Referenced = { readonly member: Member; readonly peer: PeerReport | null };

/** Throws Fault `not_found` when nobody is called so, and `usage` when it could be several. */
export function peerNamed({ self, peers }: Status, reference: string): Referenced {
  const candidates: Referenced[] = [
    ...(self === null ? [] : [{ member: self, peer: null }]),
    ...peers.map((peer) => ({ member: peer, peer })),
  ];
  const exact = candidates.find(({ member: { name, ipv4, ipv6 } }) =>
    [name, ipv4, ipv6].some((text) => text === reference),
  );
  if (exact !== undefined) return exact;
  const isId = reference.length >= idDigitsMin && /^[0-9a-f]+$/.test(reference);
  const byId = candidates.filter(({ member }) => isId && member.node.startsWith(reference));
  const [first, second] = byId;
  if (second !== undefined)
    throw new Fault("usage", `${byId.length} nodes have an id that starts with ${reference}`, {
      remedy: "give more of its digits",
    });
  if (first !== undefined) return first;
  throw new Fault("not_found", `no node of this network is called ${quoted(reference)}`, {
    remedy: "rustynet peers lists them",
  });
}
