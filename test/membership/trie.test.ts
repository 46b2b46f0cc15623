/** trie: it agrees with a Map, keeps its older versions, and looks the same however it came to be. */
import { expect, test } from "bun:test";
import { encodeHex } from "../../src/base/bytes.ts";
import { type Tree, Trie } from "../../src/membership/trie.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";

/** Keys that often agree on a long beginning, down to the last bit. */
function anyKeys(prng: Prng, count: number): readonly string[] {
  const stem = encodeHex(prng.bytes(32));
  return Array.from({ length: count }, () => {
    const shared = prng.pick([0, 0, 1, 16, 63]);
    return stem.slice(0, shared) + encodeHex(prng.bytes(32)).slice(shared);
  });
}

const sortedValues = (twin: ReadonlyMap<string, number>): readonly number[] =>
  [...twin].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value);

function build(twin: Iterable<readonly [string, number]>): Trie<number> {
  let trie = Trie.empty<number>();
  for (const [key, value] of twin) trie = trie.with(key, value);
  return trie;
}

/** A branch without two leaves below it would be another spelling of the same tree. */
function countLeaves(tree: Tree<number>): number {
  if (tree === null) return 0;
  if (tree.kind === "leaf") return 1;
  const below = countLeaves(tree.zero) + countLeaves(tree.one);
  expect(below).toBeGreaterThan(1);
  return below;
}

test("it holds what a Map would hold, in the order of the keys", () => {
  forEachSeed(150, (prng) => {
    const keys = anyKeys(prng, 12);
    const twin = new Map<string, number>();
    let trie = Trie.empty<number>();
    for (let step = 0; step < 60; step++) {
      const key = prng.pick(keys);
      if (prng.chance(0.6)) {
        twin.set(key, step);
        trie = trie.with(key, step);
      } else {
        twin.delete(key);
        trie = trie.without(key);
      }
      for (const any of keys) expect(trie.get(any)).toBe(twin.get(any) as number);
      for (const any of keys) expect(trie.has(any)).toBe(twin.has(any));
      expect(trie.size).toBe(twin.size);
      expect([...trie.values()]).toEqual([...sortedValues(twin)]);
      expect(countLeaves(trie.tree)).toBe(twin.size);
    }
  });
});

test("its shape depends on its keys alone, not on what was there before nor on the order", () => {
  forEachSeed(200, (prng) => {
    const keys = anyKeys(prng, 1 + prng.integer(14));
    const entries = [...new Map(keys.map((key, i) => [key, i]))];
    const shuffled = entries.toSorted(() => (prng.chance(0.5) ? 1 : -1));
    let visited = build([...anyKeys(prng, 10).map((key) => [key, -1] as const), ...shuffled]);
    const kept = new Set(entries.map(([key]) => key));
    for (const key of keysOf(visited.tree)) if (!kept.has(key)) visited = visited.without(key);
    expect(visited.tree).toEqual(build(entries).tree);
  });
});

function keysOf(tree: Tree<number>): readonly string[] {
  if (tree === null) return [];
  return tree.kind === "leaf" ? [tree.key] : [...keysOf(tree.zero), ...keysOf(tree.one)];
}

test("made all at once it is what it would be one by one, and of two values the last stays", () => {
  forEachSeed(200, (prng) => {
    const keys = anyKeys(prng, prng.integer(14));
    const entries = [...keys, ...keys.slice(0, prng.integer(4))].map((key, i) => [key, i] as const);
    const shuffled = entries.toSorted(() => (prng.chance(0.5) ? 1 : -1));
    const made = Trie.from(shuffled);
    expect(made.tree).toEqual(build(shuffled).tree);
    expect(made.size).toBe(new Set(keys).size);
  });
  expect(Trie.from([]).tree).toBeNull();
  expect(() => Trie.from([["ab", 1]])).toThrow("a trie key is 64 hex digits");
});

test("what differs between two tries is what differs between two Maps, each key once", () => {
  forEachSeed(200, (prng) => {
    const keys = [...new Set(anyKeys(prng, 14))];
    const some = (): Map<string, number> =>
      new Map(keys.filter(() => prng.chance(0.6)).map((key) => [key, prng.integer(2)]));
    const [before, after] = [some(), some()];
    let later = build(before);
    // Half of the time it came from the other, and shares what did not change.
    if (prng.chance(0.5)) later = build(after);
    else {
      for (const key of keys) {
        const value = after.get(key);
        later = value === undefined ? later.without(key) : later.with(key, value);
      }
    }
    const found = [...build(before).changesTo(later)];
    const wanted = keys
      .map((key) => ({ before: before.get(key), after: after.get(key) }))
      .filter((change) => change.before !== change.after);
    const text = (changes: typeof found): string[] =>
      changes.map((change) => `${change.before} ${change.after}`).sort();
    expect(text(found)).toEqual(text(wanted));
  });
});

test("two tries that are the same differ in nothing, and a shared part is not looked at", () => {
  const key = "ab".repeat(32);
  const trie = build([
    [key, 1],
    ["cd".repeat(32), 2],
  ]);
  expect([...trie.changesTo(trie)]).toEqual([]);
  expect([...trie.changesTo(trie.with(key, 1))]).toEqual([]);
  expect([...Trie.empty<number>().changesTo(trie)].map(({ after }) => after)).toEqual([1, 2]);
  expect([...trie.changesTo(Trie.empty())].map(({ before }) => before)).toEqual([1, 2]);
});

test("keys that differ in the last bit alone are two keys", () => {
  const [left, right] = ["0".repeat(64), `${"0".repeat(63)}1`] as const;
  const trie = build([
    [left, 1],
    [right, 2],
  ]);
  expect([trie.get(left), trie.get(right), trie.size]).toEqual([1, 2, 2]);
  expect(trie.without(left).tree).toEqual({ kind: "leaf", key: right, value: 2 });
});

test("an older version stays as it was", () => {
  const key = "ab".repeat(32);
  const before = build([["cd".repeat(32), 1]]);
  const after = before.with(key, 2).without("cd".repeat(32));
  expect([...before.values()]).toEqual([1]);
  expect([...after.values()]).toEqual([2]);
});

test("removing what is not there returns the very same trie", () => {
  const trie = build([["ab".repeat(32), 1]]);
  expect(trie.without("ac".repeat(32))).toBe(trie);
  expect(Trie.empty<number>().without("ab".repeat(32)).tree).toBeNull();
});

test("a key of another length is a bug", () => {
  expect(() => Trie.empty<number>().with("ab", 1)).toThrow("a trie key is 64 hex digits");
});
