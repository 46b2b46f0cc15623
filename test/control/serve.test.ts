/** serve: a control server that cannot open all of its parts opens none, and says why. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { Harness, random } from "../support/control-harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await Harness.start();
});
afterEach(() => harness.stop());

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.catch((caught: unknown) => caught);
  return error instanceof Fault ? error.code : "accepted";
}

test("a port that is taken is refused, and the operator's socket is not left behind", async () => {
  await harness.halt();
  const port = Number(new URL(harness.url).port);
  const squatter = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  expect(await codeOf(harness.serve())).toBe("unavailable");
  squatter.stop(true);
  expect(await codeOf(harness.serve())).toBe("accepted");
  expect((await harness.ask("networkShow")).status).toBe(200);
});

test("an operator's socket that cannot be made closes the port again", async () => {
  await harness.halt();
  Object.defineProperty(harness, "socketPath", { value: "/nonexistent/operator.sock" });
  expect(await codeOf(harness.serve())).toBe("unavailable");
  const port = Number(new URL(harness.url).port);
  const probe = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  expect(probe.port).toBe(port);
  probe.stop(true);
});

test("keys that the network does not name are refused", async () => {
  await harness.halt();
  const { keys } = harness;
  harness.keys = { ...keys, control: keygen(random) };
  expect(await codeOf(harness.serve())).toBe("key_custody");
  harness.keys = { ...keys, approver: keygen(random) };
  expect(await codeOf(harness.serve())).toBe("key_custody");
  harness.keys = keys;
  expect(await codeOf(harness.serve())).toBe("accepted");
});
