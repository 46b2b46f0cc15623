/** joining: a host waits for those who decide on it, across restarts, and is told what they decided. */
import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { encodeBase64Url } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { openLog } from "../../src/base/log.ts";
import { Secret } from "../../src/base/secret.ts";
import { SigningSecret } from "../../src/crypto/ed25519.ts";
import type { ControlClient } from "../../src/daemon/control-client.ts";
import { Joining } from "../../src/daemon/joining.ts";
import { localHandlers } from "../../src/daemon/local-api.ts";
import type { Node } from "../../src/daemon/node.ts";
import { requestOf } from "../../src/daemon/token.ts";
import { NodeName } from "../../src/model/names.ts";
import { writeKeyFile } from "../../src/store/key-file.ts";
import {
  type Approvals,
  type EnrollmentInput,
  EnrollmentOutput,
  type History,
} from "../../src/wire/enrollment.ts";
import { encodeJoinToken, EnrollmentSecret, type JoinToken } from "../../src/wire/join-token.ts";
import { waitFor } from "../lab/wait-for.ts";
import { idOf, Ledger, nowS, signerOf } from "../support/world.ts";
import { nodeIn, silentClient } from "./stage.ts";
import { enrollmentOf, historyOf, openDirectory, openState, random } from "./world.ts";

const ledger = new Ledger().admit("me");
const secret = v.parse(EnrollmentSecret, encodeBase64Url(new Uint8Array(32).fill(7)));
const { node: _, wanted: __, ...card } = enrollmentOf(ledger, "me");
const token = (changes: Partial<JoinToken> = {}): string =>
  encodeJoinToken({ ...card, secret, ...changes });

const waiting = (signed: readonly string[], missing: readonly string[]): EnrollmentOutput => ({
  status: "waiting",
  node: idOf("me"),
  approvals: { need: 2, signed, missing, expiresAt: nowS + 7_200 } as unknown as Approvals,
});
const admitted = (): EnrollmentOutput => ({
  status: "admitted",
  node: idOf("me"),
  ...historyOf(ledger),
});

let directory: ReturnType<typeof openDirectory>;
let asked: EnrollmentInput[];
/** What the control server says now: an answer, or a refusal. */
let answer: () => EnrollmentOutput;
/** What it waits for before it answers. */
let held: Promise<void>;
let voucherAnswer: () => History;
let lines: string[];
let node: Node;

const client: ControlClient = {
  ...silentClient,
  voucherHistory: async () => voucherAnswer(),
  enroll: async (input) => {
    asked.push(input);
    await held;
    return answer();
  },
  advertise: () => new Promise(() => {}),
};

const openNode = (): Node =>
  nodeIn(directory.path, {
    openClient: () => client,
    log: openLog(
      (_level, line) => lines.push(line),
      () => 0,
      "debug",
    ),
  });

const status = () => localHandlers(node).status({});
const up = (text?: string) => localHandlers(node).up(text === undefined ? {} : { token: text });

beforeEach(async () => {
  directory = openDirectory();
  const key = join(directory.path, "identity.key");
  writeKeyFile(key, "identity", signerOf("me").seed, { kind: "plain" }, random);
  asked = [];
  held = Promise.resolve();
  lines = [];
  answer = () => waiting(["alice"], ["bob", "carol"]);
  node = openNode();
  await node.start();
});
afterEach(async () => {
  await node.stop();
  directory[Symbol.dispose]();
});

test("up says for whom it waits, and status says the same", async () => {
  const told = await up(token());
  expect(told.state).toBe("waiting");
  expect(told.reason?.message).toBe(
    "waiting for approvers: 2 of 3: alice signed; missing bob, carol; expires in 2 h",
  );
  expect(told.request?.fingerprint).toMatch(/^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}$/);
  expect(told.reason?.remedy).toContain(told.request?.fingerprint ?? "none");
  expect(told.network).toBe(card.network);
  expect(await status()).toEqual(told);
});

test("it asks on by itself, and is up when it was let in", async () => {
  await up(token());
  answer = admitted;
  await waitFor("the admission", async () => (await status()).state === "joining");
  expect(node.enrollment?.node).toBe(idOf("me"));
  expect((await status()).request).toBeNull();
  expect(readdirSync(directory.path).filter((name) => name.startsWith("request"))).toEqual([]);
  for (const { secret: shown } of asked) expect(shown).toBe(secret);
  const nonces = new Set(asked.map(({ request }) => request.payload));
  expect(nonces.size, "each request is a new one").toBe(asked.length);
});

test("a restart keeps the place in the queue, with the same key and secret", async () => {
  await up(token());
  await node.stop();
  const before = asked.length;
  node = openNode();
  await node.start();
  expect((await status()).state).toBe("waiting");
  await waitFor("another question", () => asked.length > before);
  expect(asked.at(-1)?.secret).toBe(secret);
  expect(asked.at(-1)?.request.signatures[0]?.keyid).toBe(signerOf("me").publicKey);
  answer = admitted;
  await up();
  expect(node.enrollment?.node).toBe(idOf("me"));
});

test("the secret is on disk only sealed like the keys, and in no log", async () => {
  await up(token());
  const record = readFileSync(join(directory.path, "request"), "utf8");
  expect(record).not.toContain(secret);
  expect(existsSync(join(directory.path, "request.key"))).toBe(true);
  expect(lines.join()).not.toContain(secret);
  await node.logout("everywhere");
  expect(readdirSync(directory.path)).toEqual([]);
});

test("who is turned down is told why, and asks no more", async () => {
  await up(token());
  answer = () => {
    throw new Fault("permission_denied", "an approver turned this machine down: unknown to us");
  };
  await waitFor("the verdict", async () => (await status()).state === "logged_out");
  const { reason, request } = await status();
  expect(reason).toMatchObject({ code: "permission_denied" });
  expect(reason?.message).toContain("unknown to us");
  expect(request).toBeNull();
  expect(up()).rejects.toThrow("belongs to no network");
  expect(existsSync(join(directory.path, "request.key"))).toBe(false);
});

test("a server that is away, or another one, does not cost the place", async () => {
  await up(token());
  answer = () => {
    throw new Fault("pin_mismatch", "somebody else answers");
  };
  await up();
  const away = await status();
  expect(away.state).toBe("waiting");
  expect(away.findings).toMatchObject([{ code: "pin_mismatch" }]);
  expect(away.reason?.message).toEndWith("; the last attempt to ask failed: somebody else answers");
  answer = admitted;
  await waitFor("the admission", async () => (await status()).state === "joining");
});

test("an admission that proves nothing is not believed, and costs nothing", async () => {
  await up(token());
  answer = () => ({ ...admitted(), ...historyOf(new Ledger().admit("other")) });
  const told = await up();
  expect(told.state).toBe("waiting");
  expect(told.findings).toMatchObject([{ code: "membership_rejected" }]);
  expect(node.enrollment).toBeNull();
});

test("a disk that lets nobody write is no verdict, and does not cost the place", async () => {
  await up(token());
  const { state } = node.parts;
  state.writeJoined = () => {
    throw new Fault("permission_denied", "cannot write enrollment: EACCES");
  };
  answer = admitted;
  expect((await up()).state).toBe("waiting");
  expect((await status()).findings).toMatchObject([{ code: "permission_denied" }]);
  expect(existsSync(join(directory.path, "request.key"))).toBe(true);
});

test("down asks no more and keeps the place; up goes on", async () => {
  await up(token());
  await node.down();
  expect((await status()).state).toBe("stopped");
  const before = asked.length;
  await node.stop();
  node = openNode();
  await node.start();
  expect((await status()).state).toBe("stopped");
  await node.inTurn(async () => {});
  expect(asked.length).toBe(before);
  expect((await up()).state).toBe("waiting");
});

test("another token takes the place of the first", async () => {
  await up(token());
  const other = v.parse(EnrollmentSecret, encodeBase64Url(new Uint8Array(32).fill(9)));
  await up(token({ secret: other }));
  expect(asked.at(-1)?.secret).toBe(other);
  await node.stop();
  node = openNode();
  const before = asked.length;
  await node.start();
  await waitFor("another question", () => asked.length > before);
  expect(asked.at(-1)?.secret).toBe(other);
});

test("another token whose server lies does not cost the place of the first", async () => {
  await up(token());
  answer = () => ({ ...admitted(), ...historyOf(new Ledger().admit("other")) });
  const other = v.parse(EnrollmentSecret, encodeBase64Url(new Uint8Array(32).fill(9)));
  expect(up(token({ secret: other }))).rejects.toThrow("was not believed");
  await node.inTurn(async () => {});
  answer = admitted;
  await waitFor("the admission", async () => (await status()).state === "joining");
  expect(asked.at(-1)?.secret).toBe(secret);
});

test("more approvers than there can be are no answer", async () => {
  const names = Array.from({ length: 65 }, (_, i) => `a${i}`);
  for (const output of [waiting(names, []), waiting([], names)])
    expect(v.safeParse(EnrollmentOutput, output).success).toBe(false);
  expect(v.safeParse(EnrollmentOutput, waiting(names.slice(1), [])).success).toBe(true);
});

test("a daemon that ends in the middle of asking asks no more", async () => {
  const { promise: slow, resolve } = Promise.withResolvers<void>();
  held = slow;
  jest.useFakeTimers();
  try {
    const joining = up(token());
    const stopping = node.stop();
    resolve();
    expect((await joining).state).toBe("waiting");
    await stopping;
    jest.advanceTimersByTime(60_000);
    await node.inTurn(async () => {});
    expect(asked).toHaveLength(1);
  } finally {
    jest.useRealTimers();
  }
});

test("a secret that is used, or good for nothing, does not stay in memory", async () => {
  const keys = openState(directory.path).readKeys({ kind: "plain" });
  const joining = new Joining({
    ...node.parts,
    inTurn: (act) => act(),
    onAdmitted: async () => {},
  });
  const name = v.parse(NodeName, "me");
  const bytesOf = (kept: Secret) => kept.expose((bytes) => new Set(bytes));
  const begin = async (say: typeof answer) => {
    answer = say;
    const request = requestOf({ ...card, secret }, name, nowS);
    await joining.begin(keys, request).catch(() => null);
    return bytesOf(request.secret);
  };
  const refuse = () => {
    throw new Fault("credential_invalid", "the credential is used");
  };
  expect(await begin(refuse)).toEqual(new Set([0]));
  expect(await begin(admitted)).toEqual(new Set([0]));
  expect(await begin(() => waiting([], ["bob"]))).toEqual(new Set([7]));
  joining.forget();
  const voucher = { card, key: new SigningSecret(new Secret(new Uint8Array(32).fill(5))) };
  voucherAnswer = refuse;
  expect(joining.redeem(keys, voucher, name)).rejects.toThrow("the credential is used");
  await Promise.resolve();
  await waitFor("the end", () => bytesOf(voucher.key.seed).has(0));
  expect(bytesOf(voucher.key.seed)).toEqual(new Set([0]));
});

test("what is refused at once is kept nowhere", async () => {
  answer = () => {
    throw new Fault("credential_invalid", "the credential is used");
  };
  expect(up(token())).rejects.toThrow("the credential is used");
  await node.inTurn(async () => {});
  expect(readdirSync(directory.path).filter((name) => name.startsWith("request"))).toEqual([]);
  expect((await status()).state).toBe("logged_out");
});
