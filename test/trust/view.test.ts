/** view: every reason for which a map is not believed, and what a map that is believed changes. */
import { describe, expect, test } from "bun:test";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import {
  type MapRejection,
  receiveMap,
  restoreAdvertisements,
  type View,
} from "../../src/trust/view.ts";
import { advertisementLifetimeS } from "../../src/wire/advertisement.ts";
import { type Map as MapPayload, mapType } from "../../src/wire/map.ts";
import {
  heldBy,
  Mailbox,
  newcomer,
  sealAdvertisement,
  sealMap,
  taken,
  type Word,
  written,
} from "../support/mailbox.ts";
import {
  approverOf,
  codeOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  recordOf,
  sealBytes,
  signerOf,
  tunnelOf,
  unwrap,
} from "../support/world.ts";

/** alice and bob are members, carol is one no more; each of the two has said something. */
function town(): Mailbox {
  const ledger = new Ledger(genesisOf({ relays: [signerOf("relay").publicKey] }));
  const mailbox = new Mailbox(ledger.admit("alice").admit("bob").admit("carol").revoke("carol"));
  mailbox.say("alice");
  mailbox.say("bob");
  return mailbox;
}

const settled = (mailbox = town()): View =>
  taken(newcomer("alice", mailbox.ledger), mailbox.map("alice"));

/** The last map again, as control sends it when nothing is new, with something changed. */
const heartbeat = (view: View, mailbox: Mailbox, changes: Record<string, unknown> = {}) =>
  mailbox.map("alice", heldBy(view), changes);

type Case = {
  readonly name: string;
  readonly code: MapRejection["code"];
  /** The code inside, where the refusal carries another. */
  readonly why?: string;
  readonly envelope: (view: View, mailbox: Mailbox) => Envelope;
};

const changed = (
  name: string,
  code: MapRejection["code"],
  change: (map: MapPayload, mailbox: Mailbox) => Record<string, unknown>,
  why?: string,
): Case => ({
  name,
  code,
  ...(why === undefined ? {} : { why }),
  envelope: (view, mailbox) => {
    const map = heartbeat(view, mailbox);
    return sealMap({ ...map, ...change(map, mailbox) });
  },
});

const signedBy = (...by: readonly string[]): Case => ({
  name: `a map signed by ${by.join(" and ")}`,
  code: "control_key_unknown",
  envelope: (view, mailbox) => sealMap(heartbeat(view, mailbox), by),
});

const advertised = (
  name: string,
  why: string,
  changes: Word,
  by: readonly string[] = ["bob"],
): Case =>
  changed(
    name,
    "advertisement_refused",
    (_map, mailbox) => ({
      advertisements: [sealAdvertisement(mailbox.word("bob", changes), by)],
    }),
    why,
  );

const said = (name: string, code: MapRejection["code"], changes: Word): Case =>
  changed(name, code, (_map, mailbox) => ({
    advertisements: [sealAdvertisement(mailbox.word("bob", changes), ["bob"])],
  }));

/** An entry that would come next, in a map that says that it did. */
const appended = (
  name: string,
  code: MapRejection["code"],
  by: readonly string[],
  why?: string,
  change: (map: MapPayload) => Record<string, unknown> = () => ({}),
): Case =>
  changed(
    name,
    code,
    (map, { ledger }) => {
      const entry = ledger.draft({ kind: "revoke_node", node: idOf("bob") }, { by });
      const head = { epoch: ledger.membership.state.epoch + 1, root: "00".repeat(32) };
      return { entries: [entry], head, ...change(map) };
    },
    why,
  );

const cases: readonly Case[] = [
  {
    name: "a map that was changed after it was signed",
    code: "envelope_refused",
    why: "signature_invalid",
    envelope: (view, mailbox) => ({
      ...sealMap(heartbeat(view, mailbox)),
      payload: sealMap(heartbeat(view, mailbox, { signedAt: nowS - 1 })).payload,
    }),
  },
  {
    name: "an advertisement in the place of a map",
    code: "envelope_refused",
    why: "payload_type_mismatch",
    envelope: (_view, mailbox) => sealAdvertisement(mailbox.word("alice"), ["control"]),
  },
  {
    name: "a map of version 2",
    code: "envelope_refused",
    why: "payload_type_mismatch",
    envelope: (view, mailbox) =>
      sealEnvelope("application/vnd.rustynet.map.v2+json", heartbeat(view, mailbox), [
        signerOf("control"),
      ]),
  },
  {
    name: "what is no canonical JSON",
    code: "envelope_refused",
    why: "payload_malformed",
    envelope: () => sealBytes(mapType, encodeUtf8("{ }"), ["control"]),
  },
  changed("an unknown field", "payload_unknown", () => ({ urgent: 1 })),
  changed("a missing field", "payload_unknown", () => ({ presence: "none" })),
  changed("an envelope that is none", "payload_unknown", () => ({ advertisements: [{}] })),
  changed("201 reports", "payload_unknown", () => ({
    presence: Array.from({ length: 201 }, () => ({ node: idOf("bob"), state: "online", since: 1 })),
  })),
  changed("another network", "network_mismatch", () => ({ network: "00".repeat(16) })),
  changed("a map for somebody else", "audience_mismatch", () => ({ audience: idOf("bob") })),
  changed("a map signed 301 s ago", "map_expired", () => ({ signedAt: nowS - 301 })),
  changed("a map signed 91 s from now", "map_from_future", () => ({ signedAt: nowS + 91 })),
  changed("a map signed before the last one", "map_signed_earlier", () => ({ signedAt: nowS - 1 })),
  changed("an older generation", "map_older", ({ generation }) => ({ generation: generation - 1 })),
  changed("a map that leaves out a generation", "map_has_gap", (map) => ({
    generation: map.generation + 2,
    since: { ...map.since, generation: map.generation + 1 },
  })),
  changed("a map that leaves out an epoch", "map_has_gap", (map) => ({
    since: { ...map.since, epoch: map.since.epoch + 1 },
    head: { ...map.head, epoch: map.since.epoch + 1 },
  })),
  changed("a map that says the log is longer than it shows", "map_has_gap", (map) => ({
    head: { ...map.head, epoch: map.head.epoch + 1 },
  })),
  changed("a log that is behind ours", "log_behind", (map, { ledger }) => ({
    head: { epoch: map.head.epoch - 1, root: ledger.history.at(-2)?.root },
  })),
  changed("another log of the same length", "log_forked", (map, { ledger }) => ({
    head: { ...map.head, root: ledger.history.at(-2)?.root },
  })),
  changed("the root of an older state", "log_forked", (map, { ledger }) => ({
    head: { ...map.head, root: ledger.genesisRoot },
  })),
  appended("an entry that leads to another root than the map says", "log_forked", ["approver"]),
  appended("an entry too many", "map_has_gap", ["approver"], undefined, ({ head }) => ({ head })),
  appended("an entry by a stranger", "entry_refused", ["mallory"], "not_an_approver"),
  appended("an entry by the control key", "entry_refused", ["control"], "not_an_approver"),
  appended("an entry by a member", "entry_refused", ["bob"], "not_an_approver"),
  changed(
    "an entry that was taken already, as the next",
    "entry_refused",
    (map, { ledger }) => ({
      entries: ledger.entries.slice(0, 1),
      head: { ...map.head, epoch: map.head.epoch + 1 },
    }),
    "epoch_mismatch",
  ),
  changed(
    "an entry from a fork",
    "entry_refused",
    (map, { ledger }) => ({
      entries: forkOf(ledger).entries.slice(-1),
      head: { epoch: map.head.epoch + 1, root: forkOf(ledger).membership.root },
    }),
    "parent_mismatch",
  ),
  signedBy("mallory"),
  signedBy("control", "mallory"),
  signedBy("approver"),
  signedBy("relay"),
  signedBy("alice"),
  advertised(
    "a swapped tunnel key, signed by control",
    "not_signed_by_node",
    {
      tunnelKey: tunnelOf("mallory").publicKey,
    },
    ["control"],
  ),
  advertised("another node's words about it", "not_signed_by_node", {}, ["alice"]),
  advertised("words that somebody else signed too", "not_signed_by_node", {}, ["bob", "alice"]),
  advertised("a stranger's words", "advertiser_unknown", { node: idOf("mallory") }, ["mallory"]),
  advertised("a revoked node's words", "advertiser_not_active", { node: idOf("carol") }, ["carol"]),
  advertised("words for another network", "network_mismatch", { network: "00".repeat(16) }),
  advertised("words of the future", "not_yet_valid", { issuedAt: nowS + 91, expiresAt: nowS + 92 }),
  advertised("words that end before they begin", "lifetime_invalid", { expiresAt: nowS - 10 }),
  advertised("words that hold for too long", "lifetime_invalid", {
    expiresAt: nowS - 10 + advertisementLifetimeS + 1,
  }),
  advertised("a tunnel key of low order", "tunnel_key_refused", { tunnelKey: "00".repeat(32) }),
  advertised("another spelling of a tunnel key", "tunnel_key_refused", {
    tunnelKey: `${"ff".repeat(31)}7f`,
  }),
  advertised("a field that we do not know", "payload_unknown", { relay: 1 } as Word),
  advertised("an operating system with an escape in it", "payload_unknown", { os: "a\u001b[31m" }),
  advertised("an endpoint with port 0", "payload_unknown", { endpoints: ["192.0.2.1:0"] }),
  changed(
    "words changed on the way",
    "advertisement_refused",
    (_map, mailbox) => {
      const envelope = sealAdvertisement(mailbox.word("bob"), ["bob"]);
      const other = sealAdvertisement(mailbox.word("bob", { os: "other" }), ["bob"]);
      return { advertisements: [{ ...envelope, payload: other.payload }] };
    },
    "envelope_refused",
  ),
  said("words older than those that we hold", "advertisement_older", { sequence: 0 }),
  said("other words under the same number", "advertisement_conflict", { sequence: 1, os: "other" }),
];

/** Another history of the same network, longer by one than the one given. */
function forkOf({ entries }: Ledger): Ledger {
  const fork = new Ledger(genesisOf({ relays: [signerOf("relay").publicKey] }));
  for (const label of ["alice", "bob", "dora", "emil", "fay"].slice(0, entries.length + 1))
    fork.admit(label);
  return fork;
}

describe("a map is refused, and the view stays untouched:", () => {
  test.each(cases)("$name", ({ code, why, envelope }) => {
    const mailbox = town();
    const view = settled(mailbox);
    const before = written(view);
    const result = receiveMap(view, envelope(view, mailbox), nowS);
    expect(codeOf(result)).toBe(code);
    if (why !== undefined && !result.ok && "why" in result.error)
      expect(result.error.why.code).toBe(why as typeof result.error.why.code);
    expect(written(view)).toEqual(before);
  });

  test("each reason has a case", () => {
    const codes = {
      envelope_refused: 1,
      payload_unknown: 1,
      network_mismatch: 1,
      audience_mismatch: 1,
      map_expired: 1,
      map_from_future: 1,
      map_older: 1,
      map_signed_earlier: 1,
      map_has_gap: 1,
      log_behind: 1,
      log_forked: 1,
      entry_refused: 1,
      control_key_unknown: 1,
      advertisement_refused: 1,
      advertisement_older: 1,
      advertisement_conflict: 1,
    } as const satisfies Record<MapRejection["code"], 1>;
    expect([...new Set<string>(cases.map(({ code }) => code))].sort()).toEqual(
      Object.keys(codes).sort(),
    );
  });

  test("an entry with too few signatures", () => {
    const people = ["anna", "boris"];
    const genesis = genesisOf({ threshold: 2, approvers: people.map((name) => approverOf(name)) });
    const ledger = new Ledger(genesis, people).admit("alice", {}, { by: people });
    const view = taken(newcomer("alice", ledger), new Mailbox(ledger).map("alice"));
    const node = recordOf(ledger.membership, "mallory");
    const entry = ledger.draft({ kind: "add_node", node }, { by: ["anna"] });
    const head = { epoch: 2, root: ledger.membership.root };
    const map = new Mailbox(ledger).map("alice", heldBy(view), { entries: [entry], head });
    expect(receiveMap(view, sealMap(map), nowS)).toMatchObject({
      error: {
        code: "entry_refused",
        epoch: 2,
        why: { code: "too_few_signatures", have: 1, need: 2 },
      },
    });
  });

  test("one bad statement among good ones takes the good ones with it", () => {
    const mailbox = town();
    const view = settled(mailbox);
    mailbox.ledger.admit("dora");
    const good = [mailbox.say("dora"), mailbox.say("bob")];
    const bad = sealAdvertisement(mailbox.word("alice"), ["control"]);
    for (const advertisements of [
      [...good, bad],
      [bad, ...good],
    ]) {
      const map = heartbeat(view, mailbox, { advertisements });
      expect(codeOf(receiveMap(view, sealMap(map), nowS))).toBe("advertisement_refused");
    }
    expect(view.membership.state.nodes.has(idOf("dora"))).toBe(false);
    expect(codeOf(receiveMap(view, sealMap(heartbeat(view, mailbox)), nowS))).toBe("accepted");
  });

  test("an envelope that nobody signed is a bug of whoever let it in", () => {
    const mailbox = town();
    const view = settled(mailbox);
    const unsigned = { ...sealMap(heartbeat(view, mailbox)), signatures: [] };
    expect(() => receiveMap(view, unsigned, nowS)).toThrow("an envelope has a signer");
  });
});

describe("a map is taken", () => {
  test.each([
    ["signed 300 s ago", nowS - 300],
    ["signed 90 s from now", nowS + 90],
  ])("though it was %s", (_when, signedAt) => {
    const mailbox = town();
    const map = mailbox.map("alice", undefined, { signedAt });
    const view = unwrap(receiveMap(newcomer("alice", mailbox.ledger), sealMap(map), nowS)).view;
    expect(view.signedAt).toBe(signedAt);
  });

  test("by several control keys, if the membership names them all", () => {
    const control = ["control", "control-2"].map((label) => signerOf(label).publicKey).sort();
    const ledger = new Ledger(genesisOf({ control })).admit("alice");
    const mailbox = new Mailbox(ledger);
    for (const by of [["control"], ["control-2"], ["control-2", "control"]]) {
      const envelope = sealMap(mailbox.map("alice"), by);
      expect(codeOf(receiveMap(newcomer("alice", ledger), envelope, nowS))).toBe("accepted");
    }
  });

  test("twice, and the second time changes nothing", () => {
    const mailbox = town();
    const envelope = sealMap(mailbox.map("alice"));
    const once = unwrap(receiveMap(newcomer("alice", mailbox.ledger), envelope, nowS));
    const twice = unwrap(receiveMap(once.view, envelope, nowS));
    expect(written(twice.view)).toEqual(written(once.view));
    expect([once.entries.length, twice.entries.length]).toEqual([4, 0]);
  });

  test("and the entries that were new are given, to be kept", () => {
    const mailbox = town();
    const view = settled(mailbox);
    mailbox.ledger.admit("dora").admit("emil");
    const held = { ...heldBy(view), epoch: 2 };
    const received = unwrap(receiveMap(view, sealMap(mailbox.map("alice", held)), nowS));
    expect(received.entries).toEqual(mailbox.ledger.entries.slice(-2));
    expect(received.view.membership.root).toBe(mailbox.ledger.membership.root);
  });

  test("with what a node says anew in the place of what it said before", () => {
    const mailbox = town();
    const view = settled(mailbox);
    const tunnelKey = tunnelOf("bob-2").publicKey;
    mailbox.say("bob", { tunnelKey });
    const next = taken(view, heartbeat(view, mailbox));
    expect(next.advertisements.get(idOf("bob"))?.advertisement.tunnelKey).toBe(tunnelKey);
    expect(next.nodeByTunnelKey.get(tunnelKey)).toBe(idOf("bob"));
    expect(next.nodeByTunnelKey.get(tunnelOf("bob").publicKey)).toBeUndefined();
    expect(next.nodeByTunnelKey.size).toBe(2);
  });

  test("with the same words again, under the same number", () => {
    const mailbox = town();
    const view = settled(mailbox);
    const again = mailbox.map("alice", { ...heldBy(view), generation: 0 });
    expect(again.advertisements).toHaveLength(2);
    expect(written(taken(view, again))).toEqual(written(view));
  });

  test("with words that were dated by a clock ahead of ours, as control's is", () => {
    const mailbox = town();
    const view = settled(mailbox);
    // Else a member could date its words so that nodes with a slower clock refuse every map.
    mailbox.say("bob", { issuedAt: nowS + 180, expiresAt: nowS + 200 });
    const map = heartbeat(view, mailbox, { signedAt: nowS + 90 });
    expect(codeOf(receiveMap(view, sealMap(map), nowS))).toBe("accepted");
    const tooFar = heartbeat(view, mailbox, { signedAt: nowS + 89 });
    expect(codeOf(receiveMap(view, sealMap(tooFar), nowS))).toBe("advertisement_refused");
  });

  test("with hearsay about members, which decides nothing", () => {
    const mailbox = town();
    const online = (label: string) => ({ node: idOf(label), state: "online", since: 1 }) as const;
    mailbox.presence.push(online("bob"), online("mallory"));
    const { presence, advertisements } = settled(mailbox);
    expect([...presence.values()]).toEqual([online("bob")]);
    expect(advertisements.size).toBe(2);
  });
});

describe("a tunnel key belongs to whoever showed it first:", () => {
  test("an impostor is left out and named, and the victim is unharmed", () => {
    const mailbox = town();
    const view = settled(mailbox);
    mailbox.ledger.admit("mallory");
    mailbox.say("mallory", { tunnelKey: tunnelOf("bob").publicKey });
    mailbox.say("alice", { os: "other" });
    const { view: next, impostors } = unwrap(
      receiveMap(view, sealMap(heartbeat(view, mailbox)), nowS),
    );
    expect(impostors).toEqual([idOf("mallory")]);
    expect(next.advertisements.has(idOf("mallory"))).toBe(false);
    expect(next.nodeByTunnelKey.get(tunnelOf("bob").publicKey)).toBe(idOf("bob"));
    expect(next.advertisements.get(idOf("bob"))).toEqual(view.advertisements.get(idOf("bob")));
    expect(next.advertisements.get(idOf("alice"))?.advertisement.os).toBe("other");
  });

  test("an impostor that had said something true before keeps that", () => {
    const mailbox = town();
    mailbox.ledger.admit("mallory");
    const before = mailbox.say("mallory");
    const view = settled(mailbox);
    mailbox.say("mallory", { tunnelKey: tunnelOf("bob").publicKey });
    const { view: next, impostors } = unwrap(
      receiveMap(view, sealMap(heartbeat(view, mailbox)), nowS),
    );
    expect(impostors).toEqual([idOf("mallory")]);
    expect(next.advertisements.get(idOf("mallory"))?.envelope).toEqual(before);
  });

  test("a key that its holder has given up may be taken by another", () => {
    const mailbox = town();
    const view = settled(mailbox);
    mailbox.ledger.admit("dora");
    mailbox.say("bob", { tunnelKey: tunnelOf("bob-2").publicKey });
    mailbox.say("dora", { tunnelKey: tunnelOf("bob").publicKey });
    const { view: next, impostors } = unwrap(
      receiveMap(view, sealMap(heartbeat(view, mailbox)), nowS),
    );
    expect(impostors).toEqual([]);
    expect(next.nodeByTunnelKey.get(tunnelOf("bob").publicKey)).toBe(idOf("dora"));
  });
});

describe("a node that is revoked", () => {
  const mailbox = town();
  const before = taken(newcomer("alice", mailbox.ledger), mailbox.map("alice"));
  mailbox.presence.push({ node: idOf("bob"), state: "online", since: 1 });
  const view = taken(before, heartbeat(before, mailbox));
  mailbox.presence.length = 0;
  mailbox.ledger.revoke("bob").admit("bob-again", { name: "bob" });
  mailbox.say("bob-again", { tunnelKey: tunnelOf("bob").publicKey });
  const { view: next, impostors } = unwrap(
    receiveMap(view, sealMap(heartbeat(view, mailbox)), nowS),
  );

  test("is forgotten with all that it said", () => {
    expect(view.presence.has(idOf("bob"))).toBe(true);
    expect(next.advertisements.has(idOf("bob"))).toBe(false);
    expect(next.presence.has(idOf("bob"))).toBe(false);
    expect(next.membership.state.nodes.get(idOf("bob"))?.status).toBe("revoked");
  });

  test("frees its tunnel key in the same map, for the same machine under a new identity", () => {
    expect(impostors).toEqual([]);
    expect(next.nodeByTunnelKey.get(tunnelOf("bob").publicKey)).toBe(idOf("bob-again"));
  });

  test("is not heard again, even in words of before", () => {
    const words = before.advertisements.get(idOf("bob"))?.envelope as Envelope;
    const map = heartbeat(next, mailbox, { advertisements: [words] });
    expect(receiveMap(next, sealMap(map), nowS)).toMatchObject({
      error: { code: "advertisement_refused", why: { code: "advertiser_not_active" } },
    });
  });

  test("learns it by a map like any other", () => {
    const own = taken(newcomer("bob", mailbox.ledger), mailbox.map("bob"));
    expect(own.membership.state.nodes.get(idOf("bob"))?.status).toBe("revoked");
  });
});

describe("what was kept on disk is verified again:", () => {
  const mailbox = town();
  const view = settled(mailbox);
  const kept = [...view.advertisements.values()].map(({ envelope }) => envelope);
  const bare = { ...newcomer("alice", mailbox.ledger), membership: view.membership };

  test("what stands is restored", () => {
    const restored = restoreAdvertisements(bare, kept, nowS);
    expect([...restored.advertisements.values()]).toEqual([...view.advertisements.values()]);
    expect(restored.nodeByTunnelKey.size).toBe(2);
  });

  test("what does not is left out, and the rest stays", () => {
    const forged = sealAdvertisement(mailbox.word("bob", { sequence: 9 }), ["mallory"]);
    const [first, second] = kept as [Envelope, Envelope];
    const broken = { ...first, payload: second.payload };
    const restored = restoreAdvertisements(bare, [forged, broken, second, second], nowS);
    expect([...restored.advertisements.values()].map(({ envelope }) => envelope)).toEqual([second]);
  });

  test("nobody who was revoked meanwhile comes back", () => {
    mailbox.ledger.revoke("bob");
    const { membership } = mailbox.ledger;
    const restored = restoreAdvertisements({ ...bare, membership }, kept, nowS);
    expect(restored.advertisements.has(idOf("bob"))).toBe(false);
    expect(restored.nodeByTunnelKey.size).toBe(1);
  });
});
