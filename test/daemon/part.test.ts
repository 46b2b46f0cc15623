/** part: who is concerned by a change, and when that is too much to say. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import type { Envelope } from "../../src/crypto/envelope.ts";
import { partBetween, reachableIn } from "../../src/daemon/part.ts";
import { Endpoint } from "../../src/model/ip.ts";
import { PolicyHash } from "../../src/model/ids.ts";
import { Owner } from "../../src/model/names.ts";
import { openView, receiveMap, type View } from "../../src/trust/view.ts";
import type { Advertisement } from "../../src/wire/advertisement.ts";
import { idOf, Ledger, nowS, signerOf, tunnelOf, unwrap } from "../support/world.ts";
import { advertisementBy, mapText } from "./world.ts";

type Said = readonly [label: string, changes?: Partial<Advertisement>];

const bob = v.parse(Owner, "bob");
const begun = () => new Ledger().admit("me").admit("a").admit("b").admit("c");

function hear(view: View, ledger: Ledger, said: readonly Said[]): View {
  const { epoch } = view.membership.state;
  const map = mapText(ledger, "me", [], {
    since: { epoch, generation: 0 },
    entries: ledger.entries.slice(epoch),
    generation: view.generation + 1,
    advertisements: said.map(([label, changes]) => advertisementBy(label, ledger, changes)),
  });
  return unwrap(receiveMap(view, JSON.parse(map) as Envelope, nowS)).view;
}

const before = hear(openView(idOf("me"), new Ledger().membership), begun(), [
  ["a"],
  ["b", { expiresAt: nowS + 60 }],
]);

const labelOf = ({ node }: Advertisement): string =>
  ["me", "a", "b", "c"].find((label) => idOf(label) === node) ?? "?";

/** Labels of before and after, or null. */
function partAfter(ledger: Ledger, said: readonly Said[], wholeAtS = nowS, at = nowS) {
  const part = partBetween(before, hear(before, ledger, said), wholeAtS, at);
  return part === null ? null : [part.before.map(labelOf).sort(), part.after.map(labelOf).sort()];
}

const key = (label: string) => ({ tunnelKey: tunnelOf(label).publicKey });
const second = { sequence: 2 };

const some: Readonly<Record<string, readonly [Ledger, readonly Said[], string[][]]>> = {
  nothing: [begun(), [], [[], []]],
  "a newcomer": [begun(), [["c"]], [[], ["c"]]],
  "an admission that nobody has heard of yet": [begun().admit("d"), [], [[], []]],
  "an expulsion": [begun().revoke("a"), [], [["a"], []]],
  "a removal": [begun().decide({ kind: "remove_node", node: idOf("a") }), [], [["a"], []]],
  "a new name": [begun().rename("a", "z"), [], [["a"], ["a"]]],
  "a new owner": [
    begun().decide({ kind: "reown_node", node: idOf("a"), owner: bob }),
    [],
    [["a"], ["a"]],
  ],
  "the same said again": [begun(), [["a", second]], [["a"], ["a"]]],
  "a new tunnel key": [begun(), [["a", { ...second, ...key("a2") }]], [["a"], ["a"]]],
  "two at once": [begun().revoke("a"), [["c"]], [["a"], ["c"]]],
};

test.each(Object.entries(some))("%s concerns a part", (_, [ledger, said, part]) => {
  expect(partAfter(ledger, said)).toEqual(part);
});

const all: Readonly<Record<string, readonly [Ledger, readonly Said[]]>> = {
  "this node's own record": [begun().rename("me", "z"), []],
  "this node's own owner": [
    begun().decide({ kind: "reown_node", node: idOf("me"), owner: bob }),
    [],
  ],
  "another policy": [
    begun().decide({
      kind: "pin_policy",
      policy: { kind: "document", hash: v.parse(PolicyHash, new Ledger().genesisRoot) },
    }),
    [],
  ],
  "a peer that can be reached elsewhere": [
    begun(),
    [["a", { ...second, endpoints: [v.parse(Endpoint, "192.0.2.8:51820")] }]],
  ],
  "a key that goes from one to another": [
    begun(),
    [
      ["a", { ...second, ...key("a2") }],
      ["b", { ...second, ...key("a") }],
    ],
  ],
};

test.each(Object.entries(all))("%s concerns the whole", (_, [ledger, said]) => {
  expect(partAfter(ledger, said)).toBeNull();
});

test("a control key that changes concerns nobody's peers", () => {
  const { publicKey } = signerOf("control-2");
  const ledger = begun().decide({ kind: "add_control_key", key: publicKey });
  expect(partAfter(ledger, [])).toEqual([[], []]);
});

test("what ran out since the last whole look is looked at; what had run out then, or has not, is known", () => {
  const renamed = () => begun().rename("b", "z");
  expect(partAfter(renamed(), [], nowS, nowS + 59)).toEqual([["b"], ["b"]]);
  expect(partAfter(renamed(), [], nowS, nowS + 60)).toBeNull();
  expect(partAfter(renamed(), [], nowS + 60, nowS + 61)).toEqual([[], []]);
  expect(partAfter(renamed(), [], nowS + 60, nowS + 59)).toBeNull();
});

test("once the clock was set back nobody knows what is on the host: it is looked at as a whole", () => {
  expect(partAfter(begun(), [["c"]], nowS, nowS)).toEqual([[], ["c"]]);
  expect(partAfter(begun(), [["c"]], nowS, nowS - 1)).toBeNull();
});

test("a view that was read back from the disk is another one", () => {
  const again = hear(openView(idOf("me"), new Ledger().membership), begun(), [["a"]]);
  expect(partBetween(before, again, nowS, nowS)).toBeNull();
});

test("whoever has fallen silent cannot be reached, nor can the node itself", () => {
  const view = hear(before, begun(), [["me"]]);
  expect(reachableIn(view, nowS).map(labelOf).sort()).toEqual(["a", "b"]);
  expect(reachableIn(view, nowS + 60).map(labelOf)).toEqual(["a"]);
});
