import { expect, test } from "bun:test";
import * as v from "valibot";
import {
  AlgorithmPolicy,
  type AlgorithmUse,
  exceptionMaxS,
  permit,
  strictPolicy,
  warningsOf,
} from "../../src/crypto/algorithms.ts";
import type { UnixS } from "../../src/model/time.ts";

const now: UnixS = 1_800_000_000;
const exception = {
  use: "transport",
  algorithm: "tls-1.2",
  owner: "alice@example.org",
  reason: "the old proxy is replaced in May",
  createdAt: now - 10,
  expiresAt: now + 10,
};
const policyOf = (...changes: object[]): AlgorithmPolicy =>
  v.parse(AlgorithmPolicy, {
    version: 1,
    exceptions: changes.map((change) => ({ ...exception, ...change })),
  });

const codeOf = (
  policy: AlgorithmPolicy,
  use: AlgorithmUse,
  algorithm: string,
  at = now,
): string => {
  const result = permit(policy, use, algorithm, at);
  return result.ok ? "permitted" : result.error.code;
};

const verdicts: [AlgorithmUse, string, string][] = [
  ["signature", "ed25519", "permitted"],
  ["hash", "sha-256", "permitted"],
  ["hash", "sha-512", "permitted"],
  ["hash", "blake2s", "permitted"],
  ["kdf", "argon2id", "permitted"],
  ["kdf", "hkdf-sha256", "permitted"],
  ["aead", "xchacha20-poly1305", "permitted"],
  ["aead", "aes-256-gcm", "permitted"],
  ["transport", "tls-1.3", "permitted"],
  ["hash", "md5", "algorithm_denied"],
  ["hash", "sha-1", "algorithm_denied"],
  ["aead", "rc4", "algorithm_denied"],
  ["aead", "des-cbc", "algorithm_denied"],
  ["aead", "3des-cbc", "algorithm_denied"],
  ["aead", "bf-cbc", "algorithm_denied"],
  ["aead", "aes-256-cbc", "algorithm_denied"],
  ["transport", "tls-1.2", "algorithm_denied"],
  ["transport", "static-session-key", "algorithm_denied"],
  ["transport", "dh-1024", "algorithm_denied"],
  ["signature", "rot13", "algorithm_unknown"],
  ["hash", "", "algorithm_unknown"],
  ["hash", "SHA-256", "algorithm_unknown"],
  ["hash", "constructor", "algorithm_unknown"],
  // Allowed for one use is not allowed for another.
  ["aead", "sha-256", "algorithm_unknown"],
  ["signature", "sha-256", "algorithm_unknown"],
];
test.each(verdicts)("as %s, %s is %s", (use, algorithm, code) => {
  expect(codeOf(strictPolicy, use, algorithm)).toBe(code);
});

test("an exception counts from its first second to the one before its expiry", () => {
  const policy = policyOf({});
  const verdictAt = (at: UnixS) => codeOf(policy, "transport", "tls-1.2", at);
  expect(verdictAt(now - 11)).toBe("exception_not_in_force");
  expect(verdictAt(now - 10)).toBe("permitted");
  expect(verdictAt(now + 9)).toBe("permitted");
  expect(verdictAt(now + 10)).toBe("exception_not_in_force");
  expect(verdictAt(now + 1_000_000)).toBe("exception_not_in_force");
});

test("an exception is for one algorithm and one use", () => {
  expect(codeOf(policyOf({}), "transport", "tls-1.1")).toBe("algorithm_denied");
  expect(codeOf(policyOf({ use: "hash", algorithm: "md5" }), "hash", "sha-1")).toBe(
    "algorithm_denied",
  );
});

test("while in force an exception warns with its owner, reason and end", () => {
  const [warning = ""] = warningsOf(policyOf({}), now);
  for (const part of ["tls-1.2", "alice@example.org", "old proxy", "2027-01-15T08:00:10"]) {
    expect(warning).toContain(part);
  }
  const result = permit(policyOf({}), "transport", "tls-1.2", now);
  expect(result.ok && result.value.warning).toBe(warning);
  expect(warningsOf(policyOf({}), now + 10)).toEqual([]);
  const plain = permit(policyOf({}), "transport", "tls-1.3", now);
  expect(plain.ok && plain.value.warning).toBeNull();
});

test("a second exception takes over from an expired one", () => {
  const policy = policyOf({}, { createdAt: now + 10, expiresAt: now + 20 });
  expect(codeOf(policy, "transport", "tls-1.2", now + 15)).toBe("permitted");
});

const malformed: [string, object][] = [
  ["for longer than 90 days", { expiresAt: now - 10 + exceptionMaxS + 1 }],
  ["that ends before it begins", { expiresAt: now - 10 }],
  ["without an owner", { owner: "" }],
  ["without a reason", { reason: "         " }],
  ["without an expiry", { expiresAt: undefined }],
  ["for an algorithm that nobody has heard of", { algorithm: "rot13" }],
  ["for what is allowed anyway", { algorithm: "tls-1.3" }],
  ["for another use than the algorithm has", { use: "hash" }],
  ["with a field that is not known", { forever: "yes" }],
];
test.each(malformed)("refuses an exception %s", (_name, change) => {
  expect(() => policyOf(change)).toThrow();
});

test("an exception of exactly 90 days is allowed", () => {
  expect(() => policyOf({ expiresAt: now - 10 + exceptionMaxS })).not.toThrow();
});

test("a policy of another version is refused", () => {
  for (const version of [0, 2, "1", undefined]) {
    expect(v.safeParse(AlgorithmPolicy, { version, exceptions: [] }).success).toBe(false);
  }
});
