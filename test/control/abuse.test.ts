/** abuse: how often somebody may ask, to the second, and what happens when too many ask at once. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import { AbuseGuard, abuseLimitsDefault, sourceOf } from "../../src/control/abuse.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { EnrollmentSecret } from "../../src/wire/join-token.ts";
import * as v from "valibot";
import { Harness, random, TestNode } from "../support/control-harness.ts";

const address = "192.0.2.1";
const minuteMs = 60_000;
const kindOf = (decision: { kind: string }) => decision.kind;
const many = (count: number, ask: () => { kind: string }) =>
  Array.from({ length: count }, () => ask().kind);

test("an address may ask 20 times at once, and then 10 times a minute", () => {
  const guard = new AbuseGuard(abuseLimitsDefault);
  expect(new Set(many(20, () => guard.admitAddress(address, 0)))).toEqual(new Set(["allowed"]));
  expect(guard.admitAddress(address, 0)).toEqual({ kind: "throttled", retryAfterS: 6 });
  expect(kindOf(guard.admitAddress(address, 5_999))).toBe("throttled");
  expect(kindOf(guard.admitAddress(address, 6_001))).toBe("allowed");
  expect(kindOf(guard.admitAddress(address, 6_002))).toBe("throttled");
  // However long it waits, no more than a burst is saved up.
  const later = 600 * minuteMs;
  expect(many(21, () => guard.admitAddress(address, later)).at(-1)).toBe("throttled");
});

test("an identity may ask 10 times at once, and then 5 times in 15 minutes", () => {
  const guard = new AbuseGuard(abuseLimitsDefault);
  expect(new Set(many(10, () => guard.admitIdentity("key", 0)))).toEqual(new Set(["allowed"]));
  expect(guard.admitIdentity("key", 0)).toEqual({ kind: "throttled", retryAfterS: 180 });
  expect(kindOf(guard.admitIdentity("key", 3 * minuteMs + 1))).toBe("allowed");
  expect(kindOf(guard.admitIdentity("another", 0))).toBe("allowed");
});

test("one address using up its burst leaves all others theirs", () => {
  const guard = new AbuseGuard(abuseLimitsDefault);
  many(100, () => guard.admitAddress(address, 0));
  expect(kindOf(guard.admitAddress("192.0.2.2", 0))).toBe("allowed");
});

test("each wrong secret doubles the wait, from 30 s to 15 minutes", () => {
  const guard = new AbuseGuard(abuseLimitsDefault);
  let nowMs = 0;
  for (const waitS of [30, 60, 120, 240, 480, 900, 900]) {
    guard.failed(address, nowMs);
    expect(guard.admitAddress(address, nowMs)).toEqual({ kind: "locked_out", retryAfterS: waitS });
    expect(kindOf(guard.admitAddress(address, nowMs + waitS * 1_000 - 1))).toBe("locked_out");
    nowMs += waitS * 1_000;
    expect(kindOf(guard.admitAddress(address, nowMs))).toBe("allowed");
  }
});

test("only a right secret after the wait makes the next wait short again", () => {
  const guard = new AbuseGuard(abuseLimitsDefault);
  guard.failed(address, 0);
  guard.failed(address, 30_000);
  guard.succeeded(address);
  guard.failed(address, 100_000);
  expect(guard.admitAddress(address, 100_000)).toEqual({ kind: "locked_out", retryAfterS: 30 });
});

test("when no more can be remembered, who is not known yet is turned away", () => {
  const guard = new AbuseGuard({ ...abuseLimitsDefault, remembered: 100 });
  for (let i = 0; i < 100; i++) guard.admitAddress(`10.0.0.${i}`, 0);
  expect(guard.admitAddress("10.0.1.1", 0)).toEqual({ kind: "full", retryAfterS: 60 });
  expect(kindOf(guard.admitAddress("10.0.0.1", 0))).toBe("allowed");
  // Whose bucket is full again is forgotten to make room.
  expect(kindOf(guard.admitAddress("10.0.1.1", 10 * minuteMs))).toBe("allowed");
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:db8:0:0:ffff::1", "2001:db8:0:0::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
])("%s counts as %s", (from, source) => {
  expect(sourceOf(from)).toBe(source);
});

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start(abuseLimitsDefault);
});
afterAll(() => harness.stop());

async function refusedAs(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "accepted";
  } catch (error) {
    return error instanceof Fault ? error.code : String(error);
  }
}

test("over HTTP, a used token locks nobody out, a guessed one does, and the log says who", async () => {
  const token = await harness.token();
  const enroll = (secret = token.secret) =>
    refusedAs(new TestNode(harness, keygen(random)).enroll({ ...token, secret }));
  expect(await enroll()).toBe("accepted");
  expect(await enroll()).toBe("credential_invalid");
  expect(await enroll()).toBe("credential_invalid");
  const guess = v.parse(EnrollmentSecret, "A".repeat(43));
  expect(await enroll(guess)).toBe("credential_invalid");
  expect(await enroll(guess)).toBe("rate_limited");
  expect(await enroll()).toBe("rate_limited");
  const events = harness.lines.map((line) => JSON.parse(line) as Record<string, string>);
  const refused = events.filter(({ event }) => event === "enrollment_refused");
  expect(refused.at(-1)).toMatchObject({
    address: "127.0.0.1",
    endpoint: "enroll",
    failure: "rate_limited",
    decision: "too many attempts (locked_out)",
  });
  expect(refused[0]?.["identity"]).toMatch(/^[0-9a-f]{64}$/);
});
