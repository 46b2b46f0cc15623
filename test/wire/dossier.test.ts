/** dossier: all of it is verified from the genesis root on; what does not hold is named or left out. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { takeSnapshot } from "../../src/membership/snapshot.ts";
import type { Head } from "../../src/wire/advertisement.ts";
import { Dossier, type JoinRequest, openDossier } from "../../src/wire/dossier.ts";
import { enrollmentType } from "../../src/wire/enrollment.ts";
import type { LogEntry } from "../../src/membership/update.ts";
import {
  genesisOf,
  idOf,
  Ledger,
  network,
  nowS,
  recordOf,
  signerOf,
  unwrap,
} from "../support/world.ts";

const ledger = new Ledger().admit("web").decide({ kind: "checkpoint" }).admit("db");
const propose = (by: readonly string[]) =>
  ledger.draft({ kind: "add_node", node: recordOf(ledger.membership, "mail") }, { by }).envelope;

type Changes = Partial<Record<keyof Dossier, unknown>>;
const dossierOf = (changes: Changes = {}): Dossier =>
  v.parse(Dossier, {
    version: 1,
    genesis: ledger.genesis,
    snapshot: null,
    entries: ledger.entries,
    proposals: [],
    objections: [],
    requests: [],
    ...changes,
  });
const snapshot = takeSnapshot(ledger.membership);
const brief = { snapshot, entries: ledger.entries.slice(2) };

const asking = (
  changes: Partial<Record<"network" | "key" | "name" | "nonce" | "issuedAt", string | number>> = {},
  by: readonly string[] = ["mail"],
  type = enrollmentType,
): JoinRequest => {
  const key = signerOf("mail").publicKey;
  const statement = {
    network,
    key,
    name: "mail",
    nonce: "ab".repeat(16),
    issuedAt: nowS,
    ...changes,
  };
  const request = sealEnvelope(type, statement, by.map(signerOf));
  const terms = { owner: "alice", tags: ["prod"], credential: "ab".repeat(8), askedAt: nowS };
  return { request, ...terms } as JoinRequest;
};

test.each([
  ["the whole log", {}],
  ["a snapshot and what follows", brief],
])("it leads to the same membership by %s", (_way, changes) => {
  const opened = unwrap(openDossier(dossierOf(changes), ledger.genesisRoot, nowS));
  expect(opened.membership).toEqual(ledger.membership);
});

const [first, second, third] = ledger.entries as [LogEntry, LogEntry, LogEntry];
const other = new Ledger(genesisOf({ threshold: 1, relays: [signerOf("relay").publicKey] }));
const refusals: readonly (readonly [string, Changes, unknown])[] = [
  ["another genesis", { genesis: other.genesis }, ["genesis_refused", "root_mismatch"]],
  ["an entry left out", { entries: [first, third] }, ["entry_refused", "epoch_mismatch", 2]],
  ["entries out of order", { entries: [second, first] }, ["entry_refused", "epoch_mismatch", 1]],
  [
    "a snapshot whose tail begins too early",
    { ...brief, entries: ledger.entries },
    ["entry_refused", "epoch_mismatch", 3],
  ],
  [
    "a snapshot with another state",
    { ...brief, snapshot: snapshot && { ...snapshot, state: { ...snapshot.state, nodes: [] } } },
    ["snapshot_refused", "parent_mismatch"],
  ],
];

test.each(refusals)("%s is refused", (_what, changes, expected) => {
  const opened = openDossier(dossierOf(changes), ledger.genesisRoot, nowS);
  if (opened.ok) throw new Error("opened");
  const { error } = opened;
  const epoch = error.code === "entry_refused" ? [error.epoch] : [];
  const why = "why" in error ? error.why.code : null;
  expect([error.code, why, ...epoch] as unknown).toEqual(expected);
});

test("a log that does not lead through what the reader has seen is refused", () => {
  const { epoch } = ledger.membership.state;
  const root = ledger.membership.root;
  const open = (seen: Head) => {
    const opened = openDossier(dossierOf({}), ledger.genesisRoot, nowS, seen);
    return opened.ok ? "opened" : opened.error.code;
  };
  expect(open({ epoch, root })).toBe("opened");
  expect(open({ epoch: epoch + 1, root })).toBe("history_behind");
  expect(open({ epoch, root: ledger.genesisRoot })).toBe("history_forked");
  expect(open({ epoch: 0, root: ledger.genesisRoot })).toBe("opened");
});

test("proposals are judged on the log's end, each told apart", () => {
  const proposals = [propose(["approver"]), propose(["mallory"]), second.envelope];
  const opened = unwrap(openDossier(dossierOf({ proposals }), ledger.genesisRoot, nowS));
  expect(
    opened.proposals.map((one) =>
      one.kind === "open" ? one.proposal.tally.verdict : one.why.code,
    ),
  ).toEqual([null, "not_an_approver", "epoch_mismatch"]);
});

test("a request whose sender holds its key is shown with the terms that control says", () => {
  const requests = [asking()];
  const opened = unwrap(openDossier(dossierOf({ requests }), ledger.genesisRoot, nowS));
  expect(opened.requests.map(({ owner, request }) => [owner, request.name, request.key])).toEqual([
    ["alice", "mail", signerOf("mail").publicKey],
  ] as never);
});

test.each([
  ["signed by another key", asking({}, ["mallory"])],
  ["signed by another key too", asking({}, ["mail", "mallory"])],
  ["for another network", asking({ network: "cd".repeat(16) })],
  ["under the name of a number", asking({ name: "10" })],
  ["of another type", asking({}, ["mail"], "application/vnd.rustynet.advertisement.v1+json")],
])("a request %s is left out", (_what, request) => {
  const requests = [request, asking()];
  const opened = unwrap(openDossier(dossierOf({ requests }), ledger.genesisRoot, nowS));
  expect(opened.requests).toHaveLength(1);
});

test.each([
  ["version 2", { version: 2 }],
  ["an unknown field", { note: "x" }],
  ["no snapshot field", { snapshot: undefined }],
  ["an entry that is none", { entries: [{ acceptedAt: nowS }] }],
] as const)("%s is no dossier", (_what, changes) => {
  const text = JSON.stringify({ ...dossierOf(), ...changes });
  expect(v.safeParse(Dossier, JSON.parse(text)).success).toBe(false);
  expect(v.safeParse(Dossier, JSON.parse(JSON.stringify(dossierOf(brief)))).success).toBe(true);
});

test("what is in it of others' making does not change who is a member", () => {
  const changes = { ...brief, proposals: [propose(["approver"])], requests: [asking()] };
  const { membership } = unwrap(openDossier(dossierOf(changes), ledger.genesisRoot, nowS));
  expect(membership.state.nodes.has(idOf("mail"))).toBe(false);
});
