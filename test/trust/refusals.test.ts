/** refusals: every reason for which a map is not believed, and that the view stays as it was. */
import { describe, expect, test } from "bun:test";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { type MapRejection, receiveMap, type View } from "../../src/trust/view.ts";
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
} from "../support/world.ts";
import { heartbeat, settled, town } from "./town.ts";

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
  appended("an entry by another member", "entry_refused", ["alice"], "not_an_approver"),
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
