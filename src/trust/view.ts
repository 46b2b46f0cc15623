/**
 * view is what a node believes, and `receiveMap` the only way in which it comes to believe more. A map
 * is taken as a whole or not at all: one false statement in it and everything stays as it was.
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type Envelope, type EnvelopeRejection, openEnvelope } from "../crypto/envelope.ts";
import { append, type Membership } from "../membership/membership.ts";
import type { Rejection } from "../membership/rejection.ts";
import { speaksOn } from "../membership/state.ts";
import { Trie } from "../membership/trie.ts";
import type { LogEntry } from "../membership/update.ts";
import type { NodeId } from "../model/ids.ts";
import { firstIssueOnly, wordIssue } from "../model/issue.ts";
import type { SigningKey, TunnelKey } from "../model/keys.ts";
import { skewMaxS, type UnixS } from "../model/time.ts";
import {
  type Advertised,
  type AdvertisementRejection,
  openAdvertisement,
} from "../wire/advertisement.ts";
import { Map as MapPayload, mapAgeMaxS, mapType, type Presence } from "../wire/map.ts";

export type View = {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly advertisements: Trie<Advertised>;
  /** Who answers to a tunnel key. The first to show a key keeps it for as long as it advertises it. */
  readonly nodeByTunnelKey: Trie<NodeId>;
  readonly presence: Trie<Presence>;
  /** The generation and signing time of the last map taken: nothing older is taken again. */
  readonly generation: number;
  readonly signedAt: UnixS;
  /**
   * Who signed that map; nobody before the first. The generation is their word, and binds only as long
   * as one of them is a control key: a stolen one could otherwise lock the node out for good.
   */
  readonly signers: readonly SigningKey[];
};

export type MapRejection =
  | { readonly code: "envelope_refused"; readonly why: EnvelopeRejection }
  | { readonly code: "payload_unknown"; readonly issue: string }
  | { readonly code: "network_mismatch" }
  | { readonly code: "audience_mismatch"; readonly audience: NodeId }
  | { readonly code: "map_expired"; readonly signedAt: UnixS; readonly now: UnixS }
  | { readonly code: "map_from_future"; readonly signedAt: UnixS; readonly now: UnixS }
  | { readonly code: "map_older"; readonly generation: number; readonly held: number }
  | { readonly code: "map_signed_earlier"; readonly signedAt: UnixS; readonly held: UnixS }
  | { readonly code: "map_has_gap"; readonly since: number; readonly held: number }
  | { readonly code: "log_behind"; readonly epoch: number; readonly held: number }
  | { readonly code: "log_forked"; readonly epoch: number }
  | { readonly code: "entry_refused"; readonly epoch: number; readonly why: Rejection }
  | { readonly code: "control_key_unknown"; readonly key: SigningKey }
  | { readonly code: "advertisement_refused"; readonly why: AdvertisementRejection }
  | { readonly code: "advertisement_older"; readonly node: NodeId }
  | { readonly code: "advertisement_conflict"; readonly node: NodeId };

export type Received = {
  readonly view: View;
  /** The entries that were new, to be written to the log before the view is acted upon. */
  readonly entries: readonly LogEntry[];
  /** Nodes whose advertisement was left out: another node holds the tunnel key that they show. */
  readonly impostors: readonly NodeId[];
};

/** The view of a node that has verified its log and heard no map yet. */
export function openView(self: NodeId, membership: Membership): View {
  return {
    self,
    membership,
    advertisements: Trie.empty(),
    nodeByTunnelKey: Trie.empty(),
    presence: Trie.empty(),
    generation: 0,
    signedAt: 0,
    signers: [],
  };
}

/**
 * The view with advertisements that were taken before and kept on disk. Each is verified again; what
 * does not stand any more, because time or the log went on, is left out.
 */
export function restoreAdvertisements(view: View, kept: readonly Envelope[], now: UnixS): View {
  let restored = view;
  for (const envelope of kept) {
    const taken = takeAdvertisements(restored, [envelope], now);
    if (taken.ok) restored = taken.value.view;
  }
  return restored;
}

/** The view after one more map, or why the map is not believed. */
export function receiveMap(
  view: View,
  envelope: Envelope,
  now: UnixS,
): Result<Received, MapRejection> {
  const opened = openEnvelope(envelope, mapType);
  if (!opened.ok) return err({ code: "envelope_refused", why: opened.error });
  const parsed = v.safeParse(MapPayload, opened.value.value, firstIssueOnly);
  if (!parsed.success) return err({ code: "payload_unknown", issue: wordIssue(parsed.issues) });
  const map = parsed.output;

  const refusal = refuseAddress(view, map) ?? refuseTime(view, map, now) ?? refuseOrder(view, map);
  if (refusal !== null) return err(refusal);

  const log = appendEntries(view.membership, map, now);
  if (!log.ok) return log;
  // Judged by the state that the map leads to, so that a map cannot outlive its own key's removal.
  const control = log.value.membership.state.control;
  const { signers } = opened.value;
  assert(signers.size > 0, "an envelope has a signer");
  const stranger = [...signers].find((key) => !control.includes(key));
  if (stranger !== undefined) return err({ code: "control_key_unknown", key: stranger });
  const misplaced = refuseGeneration(view, map, control);
  if (misplaced !== null) return err(misplaced);

  const cleared = forgetSilenced({ ...view, membership: log.value.membership }, log.value.gone);
  // By the clock that let it in: a member could otherwise date what it says so that control takes it
  // and nodes whose clock is behind control's refuse the map, and with it its own revocation.
  const taken = takeAdvertisements(cleared, map.advertisements, Math.max(now, map.signedAt));
  if (!taken.ok) return taken;
  const received = takePresence(taken.value.view, map.presence);
  return ok({
    view: {
      ...received,
      generation: map.generation,
      signedAt: map.signedAt,
      signers: [...signers].sort(),
    },
    entries: log.value.fresh,
    impostors: taken.value.impostors,
  });
}

function refuseAddress(view: View, map: MapPayload): MapRejection | null {
  if (map.network !== view.membership.state.network) return { code: "network_mismatch" };
  if (map.audience !== view.self) return { code: "audience_mismatch", audience: map.audience };
  return null;
}

function refuseTime(view: View, { signedAt }: MapPayload, now: UnixS): MapRejection | null {
  if (signedAt > now + skewMaxS) return { code: "map_from_future", signedAt, now };
  if (signedAt < now - mapAgeMaxS) return { code: "map_expired", signedAt, now };
  if (signedAt < view.signedAt)
    return { code: "map_signed_earlier", signedAt, held: view.signedAt };
  return null;
}

function refuseOrder(view: View, map: MapPayload): MapRejection | null {
  const { state, root } = view.membership;
  if (map.since.epoch > state.epoch)
    return { code: "map_has_gap", since: map.since.epoch, held: state.epoch };
  if (map.head.epoch < state.epoch)
    return { code: "log_behind", epoch: map.head.epoch, held: state.epoch };
  if (map.head.epoch === state.epoch && map.head.root !== root)
    return { code: "log_forked", epoch: state.epoch };
  return null;
}

/** Once every key that counted so far is revoked, whoever was named instead begins its own count. */
function refuseGeneration(
  { generation: held, signers }: View,
  { generation, since }: MapPayload,
  control: readonly SigningKey[],
): MapRejection | null {
  const isBound = signers.length === 0 || signers.some((key) => control.includes(key));
  if (!isBound) return null;
  if (generation < held) return { code: "map_older", generation, held };
  if (since.generation > held) return { code: "map_has_gap", since: since.generation, held };
  return null;
}

type Appended = {
  readonly membership: Membership;
  readonly fresh: readonly LogEntry[];
  /** Nodes that were active before and are not now, or not under the same key. */
  readonly gone: readonly NodeId[];
};

/** Skips what the node already holds: control may send more than was asked for, never less. */
function appendEntries(
  held: Membership,
  map: MapPayload,
  now: UnixS,
): Result<Appended, MapRejection> {
  const fresh = map.entries.slice(held.state.epoch - map.since.epoch);
  let membership = held;
  for (const entry of fresh) {
    const next = append(membership, entry, now);
    if (!next.ok)
      return err({ code: "entry_refused", epoch: membership.state.epoch + 1, why: next.error });
    membership = next.value;
  }
  if (membership.state.epoch !== map.head.epoch)
    return err({ code: "map_has_gap", since: membership.state.epoch, held: held.state.epoch });
  if (membership.root !== map.head.root)
    return err({ code: "log_forked", epoch: membership.state.epoch });
  return ok({
    membership,
    fresh,
    gone: fresh.length === 0 ? [] : silenced(held, membership),
  });
}

function silenced(held: Membership, next: Membership): readonly NodeId[] {
  const gone: NodeId[] = [];
  for (const { before, after } of held.state.nodes.changesTo(next.state.nodes))
    if (before?.status === "active" && !speaksOn(before, after)) gone.push(before.id);
  return gone;
}

/** What was said under a key that does not speak for the node any more does not hold any more. */
function forgetSilenced(view: View, gone: readonly NodeId[]): View {
  let { advertisements, nodeByTunnelKey, presence } = view;
  for (const node of gone) {
    const known = advertisements.get(node);
    if (known !== undefined)
      nodeByTunnelKey = nodeByTunnelKey.without(known.advertisement.tunnelKey);
    advertisements = advertisements.without(node);
    presence = presence.without(node);
  }
  return { ...view, advertisements, nodeByTunnelKey, presence };
}

type Taken = { readonly view: View; readonly impostors: readonly NodeId[] };

function takeAdvertisements(
  view: View,
  envelopes: readonly Envelope[],
  now: UnixS,
): Result<Taken, MapRejection> {
  let taken = view;
  const impostors: NodeId[] = [];
  for (const envelope of envelopes) {
    const opened = openAdvertisement(envelope, view.membership.state, now);
    if (!opened.ok) return err({ code: "advertisement_refused", why: opened.error });
    const { advertisement } = opened.value;
    const known = taken.advertisements.get(advertisement.node);
    const refusal = refuseSuccessor(known, opened.value);
    if (refusal !== null) return err(refusal);
    const holder = taken.nodeByTunnelKey.get(advertisement.tunnelKey);
    if (holder !== undefined && holder !== advertisement.node) impostors.push(advertisement.node);
    else taken = withAdvertised(taken, { envelope, advertisement }, known?.advertisement.tunnelKey);
  }
  return ok({ view: taken, impostors });
}

/** A node numbers what it says: a lower number is the past, one number for two texts is a lie. */
function refuseSuccessor(known: Advertised | undefined, next: Advertised): MapRejection | null {
  if (known === undefined) return null;
  const { node, sequence } = next.advertisement;
  if (sequence < known.advertisement.sequence) return { code: "advertisement_older", node };
  const isSame = known.envelope.payload === next.envelope.payload;
  if (sequence === known.advertisement.sequence && !isSame)
    return { code: "advertisement_conflict", node };
  return null;
}

function withAdvertised(view: View, next: Advertised, keyBefore: TunnelKey | undefined): View {
  const { node, tunnelKey } = next.advertisement;
  const freed =
    keyBefore === undefined ? view.nodeByTunnelKey : view.nodeByTunnelKey.without(keyBefore);
  return {
    ...view,
    advertisements: view.advertisements.with(node, next),
    nodeByTunnelKey: freed.with(tunnelKey, node),
  };
}

/** Presence is hearsay: it is shown to people and decides nothing. */
function takePresence(view: View, reports: readonly Presence[]): View {
  let { presence } = view;
  for (const report of reports)
    if (view.membership.state.nodes.has(report.node)) presence = presence.with(report.node, report);
  return { ...view, presence };
}
