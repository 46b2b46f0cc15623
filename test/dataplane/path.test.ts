/** path: where to send first to a peer that does not answer, and when to leave it alone. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import {
  aliveMaxS,
  type Path,
  type PathInput,
  rankCandidates,
  transition,
  unknownPath,
  holdsBack,
  wakeAtMs,
  wantedEndpoint,
} from "../../src/dataplane/path.ts";
import { Cidr, Endpoint } from "../../src/model/ip.ts";
import { forEachSeed } from "../support/prng.ts";

const at = (text: string) => v.parse(Endpoint, text);
const [lan, wan, moved, nat] = ["10.0.0.2:1", "192.0.2.2:1", "192.0.2.3:1", "203.0.113.4:9"].map(
  at,
) as [Endpoint, Endpoint, Endpoint, Endpoint];

const silence: PathInput = {
  candidates: [lan, wan],
  endpoint: null,
  handshakeAgeS: null,
  nowMs: 0,
};
const trying = (turn: number, sinceMs: number, candidates = [lan, wan]): Path => ({
  kind: "trying",
  candidates,
  turn,
  sinceMs,
});
const alive = (endpoint: Endpoint, candidates = [lan, wan]): Path => ({
  kind: "alive",
  candidates,
  endpoint,
});

const table: readonly (readonly [what: string, from: Path, input: Partial<PathInput>, to: Path])[] =
  [
    ["a peer without candidates is not to be found", unknownPath, { candidates: [] }, unknownPath],
    ["the first candidate is tried first", unknownPath, { nowMs: 5 }, trying(0, 5)],
    ["a turn is waited for", trying(0, 0), { nowMs: 5_999 }, trying(0, 0)],
    ["then it is the next one's", trying(0, 0), { nowMs: 6_000 }, trying(1, 6_000)],
    [
      "an old handshake is none",
      unknownPath,
      { endpoint: lan, handshakeAgeS: aliveMaxS },
      trying(0, 0),
    ],
    [
      "a new one is life",
      trying(1, 0),
      { endpoint: wan, handshakeAgeS: aliveMaxS - 1 },
      alive(wan),
    ],
    ["a handshake without an endpoint is none", trying(1, 0), { handshakeAgeS: 1 }, trying(1, 0)],
    ["what lives is left alone", alive(wan), { endpoint: wan, handshakeAgeS: 9 }, alive(wan)],
    ["a peer roams where it likes", alive(wan), { endpoint: nat, handshakeAgeS: 9 }, alive(nat)],
    ["also back", alive(nat), { endpoint: lan, handshakeAgeS: 9 }, alive(lan)],
    [
      "a peer reached where it never said that it was stays there, whatever it says now",
      alive(nat),
      { endpoint: nat, handshakeAgeS: 9, candidates: [moved] },
      alive(nat, [moved]),
    ],
    [
      "a peer that stops naming where it was reached has moved",
      alive(wan),
      { endpoint: wan, handshakeAgeS: 9, candidates: [moved], nowMs: 7 },
      trying(0, 7, [moved]),
    ],
    [
      "a peer that names more places has not",
      alive(wan),
      { endpoint: wan, handshakeAgeS: 9, candidates: [moved, wan] },
      alive(wan, [moved, wan]),
    ],
    [
      "a peer that names nothing any more may stay",
      alive(wan),
      { endpoint: wan, handshakeAgeS: 9, candidates: [] },
      alive(wan, []),
    ],
    [
      "what has died is tried anew",
      alive(wan),
      { endpoint: wan, handshakeAgeS: 180, nowMs: 8 },
      trying(0, 8),
    ],
    [
      "other candidates are tried from the first",
      trying(3, 0),
      { candidates: [wan, moved], nowMs: 9 },
      trying(0, 9, [wan, moved]),
    ],
    [
      "another order is another list",
      trying(1, 0),
      { candidates: [wan, lan] },
      trying(0, 0, [wan, lan]),
    ],
    [
      "without candidates left there is nothing to try",
      trying(1, 0),
      { candidates: [] },
      unknownPath,
    ],
  ];

test.each(table)("%s", (_what, from, input, to) => {
  expect(transition(from, { ...silence, ...input })).toEqual(to);
});

test("candidates take turns, and the tunnel's own choice is left alone when all is well", () => {
  expect([0, 1, 2, 3, 4].map((turn) => wantedEndpoint(trying(turn, 0)))).toEqual([
    lan,
    wan,
    lan,
    wan,
    lan,
  ]);
  expect(wantedEndpoint(alive(wan))).toBeNull();
  expect(wantedEndpoint(unknownPath)).toBeNull();
});

test("patience doubles with each round, up to a minute", () => {
  const patience = (turn: number) => wakeAtMs(trying(turn, 0), 5_000);
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(patience)).toEqual([
    6_000, 6_000, 12_000, 12_000, 24_000, 24_000, 48_000, 48_000, 60_000, 60_000, 60_000,
  ]);
  expect(patience(1_000_000)).toBe(60_000);
  expect(wakeAtMs(trying(0, 500), 1_000)).toBe(6_500);
  expect([wakeAtMs(alive(wan), 0), wakeAtMs(unknownPath, 0)]).toEqual([null, null]);
});

test("of two that begin together one leaves the other half a second", () => {
  const begun = trying(0, 1_000);
  expect([1_000, 1_499, 1_500].map((nowMs) => holdsBack(begun, true, nowMs))).toEqual([
    true,
    true,
    false,
  ]);
  expect(holdsBack(begun, false, 1_000)).toBe(false);
  expect(wakeAtMs(begun, 1_000)).toBe(1_500);
  for (const path of [trying(1, 1_000), alive(wan), unknownPath])
    expect(holdsBack(path, true, 1_000)).toBe(false);
});

test("looking at the time that it asks for is always enough to go on", () => {
  forEachSeed(50, (prng) => {
    const candidates = [lan, wan, moved].slice(0, 1 + prng.integer(3));
    let path = transition(unknownPath, { ...silence, candidates });
    for (let turn = 1; turn < 20; turn++) {
      const startMs = path.kind === "trying" ? path.sinceMs : 0;
      const nowMs = (wakeAtMs(path, startMs + 500) ?? 0) + prng.integer(500);
      path = transition(path, { ...silence, candidates, nowMs });
      expect(path).toMatchObject({ kind: "trying", turn });
      expect(wantedEndpoint(path)).toBe(candidates[turn % candidates.length] as Endpoint);
    }
  });
});

describe("candidates are ranked:", () => {
  const cidr = (text: string) => v.parse(Cidr, text);
  const overlay = ["100.64.0.0/10", "fd75:7f19:6437::/48"].map(cidr);
  const rank = (endpoints: readonly string[], local: readonly string[] = []) =>
    rankCandidates(endpoints.map(at), local.map(cidr), overlay) as readonly string[];

  test("those on a network of this host first, the others as they were", () => {
    const given = ["192.0.2.1:1", "10.0.0.9:1", "192.0.2.2:1", "10.0.0.8:1", "[fd00:1::2]:1"];
    expect(rank(given, ["10.0.0.0/24", "fd00:1::/64"])).toEqual([
      "10.0.0.9:1",
      "10.0.0.8:1",
      "[fd00:1::2]:1",
      "192.0.2.1:1",
      "192.0.2.2:1",
    ]);
    expect(rank(given)).toEqual(given);
  });

  test.each([
    ["this host", "127.0.0.1:22"],
    ["this host, by another number", "127.9.9.9:22"],
    ["this host, in IPv6", "[::1]:22"],
    ["no host", "0.0.0.0:1"],
    ["no host, in IPv6", "[::]:1"],
    ["many hosts", "224.0.0.1:1"],
    ["all hosts", "255.255.255.255:1"],
    ["many hosts, in IPv6", "[ff02::1]:1"],
    ["a host on a link that is not named", "[fe80::1]:1"],
    ["IPv4 in the clothes of IPv6", "[::ffff:a00:1]:1"],
    ["an address in the tunnel", "100.64.0.2:1"],
    ["an address in the tunnel, in IPv6", "[fd75:7f19:6437::6440:2]:1"],
  ])("never %s: %s", (_what, text) => {
    expect(rank([text, "192.0.2.1:1"], ["127.0.0.0/8", "fe80::/64"])).toEqual(["192.0.2.1:1"]);
  });
});
