/** view: what a map that is believed changes, and what it cannot. */
import { describe, expect, test } from "bun:test";
import type { Envelope } from "../../src/crypto/envelope.ts";
import { receiveMap, restoreAdvertisements } from "../../src/trust/view.ts";
import {
  heldBy,
  Mailbox,
  newcomer,
  sealAdvertisement,
  sealMap,
  taken,
  written,
} from "../support/mailbox.ts";
import {
  codeOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  signerOf,
  tunnelOf,
  unwrap,
} from "../support/world.ts";
import { heartbeat, settled, town } from "./town.ts";

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

test("a map with nothing but mistakes is refused in few words", () => {
  const mailbox = town();
  const map = mailbox.map("alice");
  const mistakes = Array.from({ length: 300_000 }, () => 1);
  for (const wrong of [{ entries: mistakes }, { network: "x".repeat(700_000) }]) {
    const envelope = sealMap({ ...map, ...wrong });
    const received = receiveMap(newcomer("alice", mailbox.ledger), envelope, nowS);
    expect(codeOf(received)).toBe("payload_unknown");
    expect(JSON.stringify(received).length).toBeLessThan(500);
  }
});
