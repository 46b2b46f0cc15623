/** calls: the tables of both APIs are sound, and every call refuses what it does not know. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { encodeBase64Url } from "../../src/base/bytes.ts";
import {
  type Call,
  type CallName,
  calls,
  type Input,
  mapStreamPath,
} from "../../src/wire/control-api.ts";
import { EnrollmentInput, EnrollmentRequest, enrollmentType } from "../../src/wire/enrollment.ts";
import {
  type LocalCall,
  type LocalCallName,
  localCalls,
  type LocalInput,
} from "../../src/wire/local-api.ts";
import { Map as MapPayload, StreamReport } from "../../src/wire/map.ts";
import { updateType } from "../../src/membership/update.ts";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { Mailbox, sealAdvertisement } from "../support/mailbox.ts";
import { Ledger, network, nowS, signerOf } from "../support/world.ts";

const mailbox = new Mailbox(new Ledger().admit("web"));
const request = {
  network,
  key: signerOf("web").publicKey,
  name: "web",
  nonce: "ab".repeat(16),
  issuedAt: nowS,
};

const update = sealEnvelope(updateType, { kind: "any" }, [signerOf("web")]);

/** One good input for each call; a new call does not compile before it has one. */
const inputs: { readonly [N in CallName]: { readonly [K in keyof Input<N>]: unknown } } = {
  health: {},
  enroll: {
    secret: encodeBase64Url(new Uint8Array(32)),
    request: sealEnvelope(enrollmentType, request, [signerOf("web")]),
  },
  advertise: { envelope: sealAdvertisement(mailbox.word("web"), ["web"]) },
  leave: { update },
  voucherHistory: { request: sealEnvelope(enrollmentType, request, [signerOf("web")]) },
  voucherRedeem: { update },
  membershipShow: {},
  proposalSubmit: { envelopes: [update] },
  proposalReject: { id: "ab".repeat(16), reason: "not now" },
  proposalList: {},
  proposalSign: { ids: ["ab".repeat(16)] },
  requestReject: { node: "ab".repeat(32), reason: "not now" },
  operationDecide: { operations: [{ kind: "checkpoint" }], lifetimeS: 3_600 },
  networkShow: {},
  credentialCreate: { owner: "alice", tags: ["prod"], lifetimeS: 3_600, usesMax: 1 },
  credentialList: {},
  credentialRevoke: { id: "ab".repeat(8) },
  nodeList: {},
  nodeRevoke: { node: "web" },
  nodeRename: { node: "web", name: "www" },
  auditList: {},
};

const localInputs: {
  readonly [N in LocalCallName]: { readonly [K in keyof LocalInput<N>]: unknown };
} = {
  status: {},
  whois: { ip: "100.64.0.1" },
  up: { token: "rnjoin1.", name: "web" },
  auditList: {},
  membershipResolve: { id: "ab".repeat(16) },
  down: {},
  logout: { scope: "everywhere" },
};

type Row = readonly [name: string, call: Call | LocalCall];
const tables: readonly { api: string; table: readonly Row[]; inputs: Record<string, object> }[] = [
  { api: "control", table: Object.entries(calls), inputs },
  { api: "local", table: Object.entries(localCalls), inputs: localInputs },
];

describe.each(tables)("of the $api API", ({ table, inputs: samples }) => {
  const sampleOf = (name: string): object => samples[name] ?? {};

  test("no two calls have the same method and path", () => {
    const ways = table.map(([, { method, path }]) => `${method} ${path}`);
    expect(new Set(ways).size).toBe(ways.length);
    for (const [, { path }] of table) expect(path).toMatch(/^\/v1(?:\/[a-z]+)+$/);
    expect(ways).not.toContain(`get ${mapStreamPath}`);
  });

  test.each(table)("%s takes what it is made for", (name, { input }) => {
    expect(v.is(input, sampleOf(name))).toBe(true);
  });

  test.each(table)("%s refuses a field that it does not know", (name, { input }) => {
    expect(v.is(input, { ...sampleOf(name), force: "yes" })).toBe(false);
  });

  test.each(table)("%s refuses what is no object", (_name, { input }) => {
    for (const value of [null, undefined, 1, "", "{}"])
      expect([value, v.is(input, value)]).toEqual([value, false]);
  });

  test.each(table)("%s by get changes nothing, and needs no body", (_name, { method, needs }) => {
    if (method === "get") expect(["anyone", "approver", "operator", "read"]).toContain(needs);
    if (method === "post") expect(needs).not.toBe("read");
  });
});

test("whoever reaches the port may ask for its health and knock, with a token or a voucher", () => {
  const open = Object.entries(calls).filter(([, { needs }]) => needs === "anyone");
  expect(open.map(([name]) => name)).toEqual([
    "health",
    "enroll",
    "voucherHistory",
    "voucherRedeem",
  ]);
});

test.each([
  ["no owner", { owner: "" }],
  ["an owner that is a pattern", { owner: "*" }],
  ["a tag twice in another spelling", { tags: ["Prod"] }],
  ["33 tags", { tags: Array.from({ length: 33 }, (_, i) => `t${i}`) }],
  ["no lifetime", { lifetimeS: 0 }],
  ["a lifetime of more than 90 days", { lifetimeS: 90 * 86_400 + 1 }],
  ["half a second", { lifetimeS: 0.5 }],
  ["no uses", { usesMax: 0 }],
  ["1001 uses", { usesMax: 1_001 }],
  ["uses as text", { usesMax: "1" }],
])("a credential with %s is refused", (_what, changes) => {
  expect(v.is(calls.credentialCreate.input, { ...inputs.credentialCreate, ...changes })).toBe(
    false,
  );
});

test.each([
  ["an address in another spelling", localCalls.whois.input, { ip: "FD00::1" }],
  ["a name for an address", localCalls.whois.input, { ip: "web" }],
  ["a name with a newline", localCalls.up.input, { name: "web\n" }],
  ["logging out of nothing", localCalls.logout.input, {}],
  ["no node", calls.nodeRevoke.input, { node: "" }],
  ["a node of 65 letters", calls.nodeRevoke.input, { node: "a".repeat(65) }],
  ["an unsigned word", calls.advertise.input, { envelope: { payloadType: "a", payload: "" } }],
])("a call with %s is refused", (_what, input, value) => {
  expect(v.is(input, value)).toBe(false);
});

test.each([
  ["nothing in it", {}],
  ["an unknown field", { ...request, admin: 1 }],
  ["a nonce too short", { ...request, nonce: "ab" }],
  ["a name that is a number", { ...request, name: "10" }],
  ["a time as text", { ...request, issuedAt: `${nowS}` }],
])("a request to enroll with %s is refused", (_what, value) => {
  expect(v.is(EnrollmentRequest, value)).toBe(false);
  expect(v.is(EnrollmentRequest, request)).toBe(true);
  expect(v.is(EnrollmentInput, inputs.enroll)).toBe(true);
});

const head = { epoch: 1, root: "ab".repeat(32) };
const held = { epoch: 1, generation: 2 };

test.each([
  [{ kind: "hello", held, head }, true],
  [{ kind: "applied", generation: 2, epoch: 1 }, true],
  [{ kind: "hello", held }, false],
  [{ kind: "hello", held, head, generation: 1 }, false],
  [{ kind: "hello", held: { epoch: -1, generation: 2 }, head }, false],
  [{ kind: "applied", generation: 2 ** 48 + 1, epoch: 1 }, false],
  [{ kind: "goodbye" }, false],
  [{}, false],
])("a report %j is one: %p", (report, isOne) => {
  expect(v.is(StreamReport, report)).toBe(isOne);
});

test.each([
  ["entries", 201],
  ["advertisements", 201],
  ["presence", 201],
] as const)("a map has no more than 200 %s", (field, count) => {
  const honest = {
    ...mailbox.map("web"),
    presence: [{ node: mailbox.map("web").audience, state: "online", since: 1 }],
    advertisements: [inputs.advertise.envelope],
  };
  const [item] = honest[field];
  const many = (size: number) => ({ ...honest, [field]: Array.from({ length: size }, () => item) });
  expect(v.is(MapPayload, many(count - 1))).toBe(true);
  expect(v.is(MapPayload, many(count))).toBe(false);
});
