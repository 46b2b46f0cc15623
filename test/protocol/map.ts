/** map: sections 5 and 7.2 of docs/protocol.md, written from the document alone. */
import { append } from "./membership.ts";
import { rootOf, type State } from "./state.ts";
import {
  type As,
  demand,
  Envelope,
  fields,
  hex64,
  list,
  oneOf,
  openEnvelope,
  text,
} from "./text.ts";
import { counter, endpoint, Head, id128, key, prefix, time } from "./types.ts";

const printable = text(/^[ -~]{1,64}$/);
const Advertisement = fields({
  network: id128,
  node: hex64,
  sequence: counter,
  issuedAt: time,
  expiresAt: time,
  tunnelKey: key,
  endpoints: list(endpoint, 16),
  routes: list(prefix, 64),
  exit: oneOf("none", "offered"),
  head: Head,
  os: printable,
  software: printable,
});
type Said = { readonly said: As<typeof Advertisement>; readonly payload: string };

/** Section 5, but for what was said before. */
function openAdvertisement(given: Envelope, state: State, now: number): Said {
  const { signers, value } = openEnvelope(given, "advertisement.v1");
  const said = Advertisement(value);
  const node = state.nodes.get(said.node);
  demand(said.network === state.network && node?.status === "active", "not of an active member");
  demand(signers.size === 1 && signers.has(node.key), "not signed by the node alone");
  const lifetime = said.expiresAt - said.issuedAt;
  demand(lifetime > 0 && lifetime <= 48 * 3_600, "a lifetime");
  demand(said.issuedAt <= now + 90, "from the future");
  return { said, payload: given.payload };
}

const Map = fields({
  network: id128,
  audience: hex64,
  generation: counter,
  signedAt: time,
  since: fields({ epoch: counter, generation: counter }),
  head: Head,
  entries: list((entry) => entry, 200),
  advertisements: list(Envelope, 200),
  presence: list(fields({ node: hex64, state: oneOf("online", "offline"), since: time }), 200),
});

/** What a node holds. */
export type View = {
  readonly self: string;
  readonly state: State;
  readonly generation: number;
  readonly signedAt: number;
  readonly signers: ReadonlySet<string>;
  readonly said: ReadonlyMap<string, Said>;
};

export const openView = (self: string, state: State): View => ({
  self,
  state,
  generation: 0,
  signedAt: 0,
  signers: new Set(),
  said: new globalThis.Map(),
});

/** Section 7.2, and 7.4 for the count. */
export function receive(view: View, given: unknown, now: number): View {
  const { signers, value } = openEnvelope(given, "map.v1");
  const map = Map(value);
  demand(map.network === view.state.network && map.audience === view.self, "for somebody else");
  demand(map.signedAt <= now + 90 && map.signedAt >= now - 300, "not fresh");
  demand(map.signedAt >= view.signedAt, "signed earlier than the last one");
  const held = view.state.epoch;
  demand(map.since.epoch <= held && map.head.epoch >= held, "a gap, or a log behind");

  let { state } = view;
  for (const entry of map.entries.slice(held - map.since.epoch)) state = append(state, entry, now);
  demand(state.epoch === map.head.epoch && rootOf(state) === map.head.root, "another log");
  const { control } = state;
  demand(
    [...signers].every((one) => control.includes(one)),
    "not a control key",
  );
  if ([...view.signers].some((one) => control.includes(one))) {
    demand(map.generation >= view.generation, "an older generation");
    demand(map.since.generation <= view.generation, "a gap");
  }
  const said = listen({ ...view, state }, map.advertisements, Math.max(now, map.signedAt));
  const { generation, signedAt } = map;
  return { self: view.self, state, generation, signedAt, signers, said };
}

function listen(
  { said: before, state }: View,
  advertisements: readonly Envelope[],
  now: number,
): View["said"] {
  const said = new globalThis.Map(
    [...before].filter(([id]) => state.nodes.get(id)?.status === "active"),
  );
  for (const envelope of advertisements) {
    const next = openAdvertisement(envelope, state, now);
    const { node, sequence, tunnelKey } = next.said;
    const last = said.get(node);
    demand(sequence >= (last?.said.sequence ?? 0), "an older statement");
    const isAgain = sequence === last?.said.sequence;
    demand(!isAgain || last?.payload === next.payload, "two statements of one number");
    const holder = [...said.values()].find((one) => one.said.tunnelKey === tunnelKey);
    if (holder === undefined || holder.said.node === node) said.set(node, next);
  }
  return said;
}
