/** credentials: each state, how it is reached, and that there is no way out of the last three. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { credentialIdOf } from "../../src/store/control-store-credentials.ts";
import type { JoinToken } from "../../src/wire/join-token.ts";
import { Harness, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

async function tryToken(token: JoinToken): Promise<string> {
  try {
    await new TestNode(harness, keygen(random)).enroll(token);
    return "accepted";
  } catch (error) {
    return error instanceof Fault ? `${error.code}: ${error.message}` : String(error);
  }
}

async function stateOf({ secret }: JoinToken): Promise<string> {
  const { credentials } = await harness.operate("credentialList", {});
  return credentials.find(({ id }) => id === credentialIdOf(secret))?.state ?? "none";
}

test("a credential is created, and used when its uses are", async () => {
  const token = await harness.token({ usesMax: 2 });
  expect(await stateOf(token)).toBe("created");
  expect(await tryToken(token)).toBe("accepted");
  expect(await stateOf(token)).toBe("created");
  expect(await tryToken(token)).toBe("accepted");
  expect(await stateOf(token)).toBe("used");
  expect(await tryToken(token)).toBe("credential_invalid: the credential is used");
});

test("a revoked credential lets nobody in and cannot be revoked again", async () => {
  const token = await harness.token();
  const id = credentialIdOf(token.secret);
  const { credential } = await harness.operate("credentialRevoke", { id });
  expect(credential.state).toBe("revoked");
  expect(await tryToken(token)).toBe("credential_invalid: the credential is revoked");
  expect((await harness.ask("credentialRevoke", { id })).status).toBe(403);
});

test("a credential runs out at its second, and stays so when the clock goes back", async () => {
  const token = await harness.token({ lifetimeS: 60 });
  harness.clock.offsetS += 60;
  expect(await tryToken(token)).toBe("credential_invalid: the credential is expired");
  harness.clock.offsetS -= 60;
  expect(await stateOf(token)).toBe("expired");
  expect(await tryToken(token)).toBe("credential_invalid: the credential is expired");
});

test("the list says what has run out, and a revocation comes too late for it", async () => {
  const token = await harness.token({ lifetimeS: 60 });
  harness.clock.offsetS += 60;
  expect(await stateOf(token)).toBe("expired");
  const other = await harness.token({ lifetimeS: 60 });
  harness.clock.offsetS += 60;
  const late = await harness.ask("credentialRevoke", { id: credentialIdOf(other.secret) });
  harness.clock.offsetS -= 120;
  expect(late.status).toBe(403);
  expect(await stateOf(other)).toBe("expired");
});

test("what does not exist cannot be revoked", async () => {
  expect((await harness.ask("credentialRevoke", { id: "0".repeat(16) })).status).toBe(404);
});

test("a credential has a lifetime and a number of uses within bounds", async () => {
  const good = { owner: "alice", tags: [], lifetimeS: 60, usesMax: 1 };
  for (const bad of [
    { lifetimeS: 0 },
    { lifetimeS: 91 * 86_400 },
    { usesMax: 0 },
    { usesMax: 1_001 },
    { owner: "" },
    { owner: "a b" },
    { owner: "'; DROP TABLE credentials; --" },
    { owner: "x".repeat(300) },
    { tags: ["$(reboot)"] },
    { tags: ["\u001b[2J"] },
  ])
    expect((await harness.ask("credentialCreate", { ...good, ...bad })).status).toBe(400);
});

test("the secret is on no disk: the row holds its hash, which is no secret", async () => {
  const token = await harness.token();
  await harness.halt();
  const bytes = await Bun.file(harness.databasePath).bytes();
  await harness.serve();
  expect(Buffer.from(bytes).includes(token.secret)).toBe(false);
  expect(Buffer.from(bytes).includes(credentialIdOf(token.secret))).toBe(true);
});

test("ending one credential leaves the rows of all others as they were", async () => {
  const tokens = [await harness.token(), await harness.token(), await harness.token()];
  const read = () => {
    using db = new Database(harness.databasePath, { readonly: true });
    const ids = [tokens[0], tokens[2]].map((token) => credentialIdOf(token?.secret ?? ""));
    return JSON.stringify(db.query("SELECT * FROM credentials WHERE id IN (?, ?)").all(...ids));
  };
  const before = read();
  const middle = credentialIdOf(tokens[1]?.secret ?? "");
  await harness.operate("credentialRevoke", { id: middle });
  expect(read()).toBe(before);
});

test.each(["used", "expired", "revoked"])(
  "below the program, the database itself keeps a credential that is %s",
  async (state) => {
    const { secret } = await harness.token();
    const id = credentialIdOf(secret);
    await harness.halt();
    using db = new Database(harness.databasePath);
    db.run("UPDATE credentials SET state = ? WHERE id = ?", [state, id]);
    for (const after of ["created", "used", "expired", "revoked"])
      expect(() => db.run("UPDATE credentials SET state = ? WHERE id = ?", [after, id])).toThrow();
    expect(() => db.run("DELETE FROM credentials WHERE id = ?", [id])).toThrow();
    await harness.serve();
  },
);

test("every change is in the audit, in a chain that holds, without a secret", async () => {
  const token = await harness.token();
  const id = credentialIdOf(token.secret);
  await harness.operate("credentialRevoke", { id });
  const { records, intact } = await harness.operate("auditList", {});
  expect(intact).toBe(true);
  const events = records.filter(({ subject }) => subject === id).map(({ event }) => event);
  expect(events).toEqual(["credential_created", "credential_revoked"]);
  expect(JSON.stringify(records)).not.toContain(token.secret);
});

test("no secret and no token that was issued is in any line of the log", async () => {
  const tokens = await Promise.all(Array.from({ length: 20 }, () => harness.token()));
  await Promise.all(tokens.map(tryToken));
  await Promise.all(tokens.map(tryToken));
  const logged = harness.lines.join("\n");
  expect(logged).toContain("enrollment_refused");
  for (const { secret } of tokens) expect(logged).not.toContain(secret);
});
