/** The vectors of snapshots: what is in valid/ leads where the log led, what is in invalid/ is refused. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Envelope } from "../../src/crypto/envelope.ts";
import { append, found, type Membership } from "../../src/membership/membership.ts";
import { restore, Snapshot, takeSnapshot } from "../../src/membership/snapshot.ts";
import { StateRoot } from "../../src/model/ids.ts";
import { unwrap } from "../support/world.ts";
import { codesOf, log, readVectors } from "./vectors.ts";

const Valid = v.strictObject({ ...log, snapshot: Snapshot, roots: v.array(StateRoot) });
const Invalid = v.strictObject({ expect: v.string(), ...log, snapshot: v.unknown() });
const valid = await readVectors("snapshot/valid", Valid);
const invalid = await readVectors("snapshot/invalid", Invalid);

const founded = ({ genesis, genesisRoot }: { genesis?: unknown; genesisRoot: StateRoot }) =>
  unwrap(found(v.parse(Envelope, genesis), genesisRoot));

function follow(vector: v.InferOutput<typeof Valid>): readonly Membership[] {
  const history = [unwrap(restore(founded(vector), vector.snapshot, vector.now))];
  for (const entry of vector.entries) {
    const last = history.at(-1);
    if (last !== undefined) history.push(unwrap(append(last, entry, vector.now)));
  }
  return history;
}

test.each(valid)("$name is believed, with the roots that are written there", ({ vector }) => {
  expect(follow(vector).map(({ root }) => root)).toEqual(vector.roots);
});

test.each(valid)("$name comes out again as it went in", ({ vector }) => {
  const [restored] = follow(vector);
  if (restored === undefined) throw new Error("a snapshot leads somewhere");
  expect(takeSnapshot(restored)).toEqual(vector.snapshot);
});

test.each(invalid)("$name is refused", ({ vector }) => {
  const snapshot = v.safeParse(Snapshot, vector.snapshot);
  const outcome = snapshot.success
    ? codesOf(restore(founded(vector), snapshot.output, vector.now))
    : "malformed";
  expect(outcome).toBe(vector.expect);
});

test("the folders are not empty", () => {
  expect(valid.length).toBeGreaterThanOrEqual(11);
  expect(invalid.length).toBeGreaterThanOrEqual(85);
});
