/** dossier: whatever is changed in one, it is opened or refused, and nothing breaks. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import { tryEncodeCanonical } from "../../src/crypto/canonical.ts";
import { takeSnapshot } from "../../src/membership/snapshot.ts";
import type { Operation } from "../../src/membership/update.ts";
import { Dossier, openDossier } from "../../src/wire/dossier.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import {
  approverOf,
  idOf,
  Ledger,
  nowS,
  recordOf,
  signerOf,
  type Terms,
  voucherOf,
} from "../support/world.ts";

type Json = unknown;
const odd: readonly Json[] = [
  null,
  true,
  0,
  -1,
  0.5,
  2 ** 48,
  2 ** 53,
  1e308,
  "",
  "__proto__",
  "constructor",
  "00".repeat(32),
  "ff".repeat(32),
  "\u0000",
  "\ud800",
  [],
  [[]],
  {},
  { kind: "checkpoint" },
  JSON.parse('{"__proto__":{"kind":"checkpoint"}}'),
];

/** The same value with one thing in it that is another: left out, doubled, moved, or something odd. */
function changed(prng: Prng, value: Json): Json {
  if (typeof value !== "object" || value === null || prng.chance(0.08)) return prng.pick(odd);
  if (Array.isArray(value)) return changedList(prng, value);
  const entries = Object.entries(value);
  if (entries.length === 0) return prng.pick(odd);
  const [name, item] = prng.pick(entries);
  const rest = entries.filter(([other]) => other !== name);
  if (prng.chance(0.05)) return Object.fromEntries(rest);
  if (prng.chance(0.05)) return Object.fromEntries([...entries, [prng.pick(["x", "toString"]), 1]]);
  return Object.fromEntries([...rest, [name, changed(prng, item)]]);
}

function changedList(prng: Prng, items: readonly Json[]): Json {
  const i = prng.integer(Math.max(1, items.length));
  const item = items[i];
  return prng.pick<Json>([
    items.filter((_item, at) => at !== i),
    [...items, item],
    items.toReversed(),
    items.map((one, at) => (at === i ? changed(prng, one) : one)),
    items.map((one, at) => (at === i ? changed(prng, one) : one)),
    items.map((one, at) => (at === i ? changed(prng, one) : one)),
  ]);
}

const person = (label: string) => {
  const { key, name, role } = approverOf(label);
  return { key, name, role };
};

const start = (): Ledger =>
  new Ledger()
    .admit("web", { tags: ["prod"] })
    .decide({ kind: "add_voucher", voucher: voucherOf("voucher") })
    .decide({ kind: "add_approver", approver: person("boris") }, { by: ["approver", "boris"] })
    .decide({ kind: "rotate_node_key", node: idOf("web"), key: signerOf("web-2").publicKey });

const documentOf = (ledger: Ledger, changes: Partial<Record<keyof Dossier, Json>> = {}) => ({
  version: 1,
  genesis: ledger.genesis,
  snapshot: takeSnapshot(ledger.membership),
  entries: ledger.entries.slice(takeSnapshot(ledger.membership)?.state.epoch ?? 0),
  proposals: [],
  objections: [],
  requests: [],
  ...changes,
});

/** True when it has the form, and so was looked into. */
function open(ledger: Ledger, document: Json): boolean {
  const parsed = v.safeParse(Dossier, JSON.parse(JSON.stringify(document)));
  if (parsed.success) openDossier(parsed.output, ledger.genesisRoot, nowS);
  return parsed.success;
}

test("a dossier in which anything was changed is opened or refused", () => {
  const counted = { formed: 0 };
  const ledger = start().decide({ kind: "checkpoint" }).admit("db").rename("db", "dba");
  const proposals = [ledger.draft({ kind: "revoke_node", node: idOf("db") }).envelope];
  const whole: Json = JSON.parse(JSON.stringify(documentOf(ledger, { proposals })));
  forEachSeed(2_000, (prng) => {
    let document = changed(prng, whole);
    while (prng.chance(0.3)) document = changed(prng, document);
    if (open(ledger, document)) counted.formed++;
  });
  if (process.env["SIM_SEED"] === undefined) expect(counted.formed).toBeGreaterThan(100);
});

/** What a quorum would have signed, had it been out of its mind. */
function signedNonsense(prng: Prng, ledger: Ledger, operation: Operation, terms: Terms) {
  const lie = (update: CanonicalValue): CanonicalValue => {
    const nonsense = changed(prng, update);
    return tryEncodeCanonical(nonsense).ok ? (nonsense as CanonicalValue) : update;
  };
  return ledger.draft(operation, { ...terms, lie });
}

test("whatever a quorum signed, as an entry, a proposal or a checkpoint, nothing breaks", () => {
  const ledger = start();
  const { membership } = ledger;
  const redeemed = { kind: "redeem_voucher", voucher: signerOf("voucher").publicKey } as const;
  const node = recordOf(membership, "mail");
  const cases: readonly (readonly [Operation, Terms])[] = [
    [{ kind: "add_node", node }, {}],
    [{ ...redeemed, node }, { by: ["voucher", "mail"] }],
    [{ kind: "add_voucher", voucher: voucherOf("other") }, {}],
    [{ kind: "add_approver", approver: person("carol") }, { by: ["approver", "carol"] }],
    [{ kind: "checkpoint" }, {}],
  ];
  const vouched = takeSnapshot(start().decide({ kind: "checkpoint" }).membership);
  forEachSeed(600, (prng) => {
    const [operation, terms] = prng.pick(cases);
    const entry = signedNonsense(prng, ledger, operation, terms);
    const snapshot = prng.pick<Json>([
      null,
      vouched && { ...vouched, checkpoint: entry },
      vouched && {
        ...vouched,
        authority: vouched.authority.map(({ rest }) => ({ entry, rest: changed(prng, rest) })),
      },
    ]);
    const entries = [...ledger.entries, entry];
    open(ledger, documentOf(ledger, { snapshot, entries, proposals: [entry.envelope] }));
    open(ledger, documentOf(ledger, { proposals: [entry.envelope, entry.envelope] }));
  });
});
