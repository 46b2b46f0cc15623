/** fault: every code has a class, every class an exit code, and a Fault carries all that it was given. */
import { expect, test } from "bun:test";
import { assert, unreachable } from "../../src/base/assert.ts";
import { exitCode, Fault, faultClass, isFaultCode } from "../../src/base/fault.ts";

test("programs that retry do so on 75 alone", () => {
  expect(exitCode).toEqual({ usage: 64, corrupt: 65, temporary: 75, refused: 77 });
});

test("a verdict about security is never one to be tried again", () => {
  for (const code of [
    "credential_invalid",
    "pin_mismatch",
    "signature_invalid",
    "membership_rejected",
    "map_rejected",
    "replayed",
    "revoked",
  ] as const)
    expect(faultClass[code]).toBe("refused");
});

test("a fault has its code, message, cause and remedy", () => {
  const cause = new Error("disk");
  const fault = new Fault("store_corrupt", "no", { cause, remedy: "restore it" });
  expect(fault).toBeInstanceOf(Error);
  expect(fault).toMatchObject({
    code: "store_corrupt",
    message: "no",
    cause,
    remedy: "restore it",
    name: "Fault",
  });
  expect(new Fault("busy", "no").remedy).toBeUndefined();
  expect("cause" in new Fault("busy", "no")).toBe(false);
});

test.each(["toString", "constructor", "__proto__", "", "USAGE", "usage "])(
  "%p is no code although an object might have it",
  (text) => {
    expect(isFaultCode(text)).toBe(false);
  },
);

test("every code is a code", () => {
  for (const code of Object.keys(faultClass)) expect(isFaultCode(code)).toBe(true);
});

test("what only a bug can break is an error and no Fault", () => {
  expect(() => assert(true, "a")).not.toThrow();
  for (const broken of [false, 0, "", null, undefined])
    expect(() => assert(broken, "it holds")).toThrow("assertion failed: it holds");
  expect(() => unreachable("x" as never)).toThrow('unreachable: "x"');
});
