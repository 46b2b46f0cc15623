/** api: who may make which call, and what comes back for everything that is no call. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { openLog, silentLog } from "../../src/base/log.ts";
import { bodyMaxBytes, type Handlers, serveCalls } from "../../src/control/api.ts";
import type { Caller } from "../../src/control/control.ts";
import { Fault } from "../../src/base/fault.ts";
import { type CallName, calls, Refusal } from "../../src/wire/control-api.ts";

const names = Object.keys(calls) as CallName[];
/** Handlers that say that they were reached, whatever they were given. */
const reached = (throws?: Error): Handlers =>
  Object.fromEntries(
    names.map((name) => [
      name,
      () => (throws === undefined ? Promise.resolve({ reached: name }) : Promise.reject(throws)),
    ]),
  ) as unknown as Handlers;

const callers: Record<Caller["kind"], Caller> = {
  anyone: { kind: "anyone", address: "192.0.2.1" },
  member: { kind: "member", address: "192.0.2.1", node: {} as never },
  approver: { kind: "approver", isCandidate: false, address: "192.0.2.1", approver: {} as never },
  operator: { kind: "operator", address: "uid:0", uid: 0 },
};

const call = serveCalls(reached(), silentLog, 20);
const doorOf = (caller: Caller) => ({ identify: () => Promise.resolve(caller) });
const send = (path: string, init: RequestInit = {}, caller: Caller = callers.anyone) =>
  call(new Request(`https://control.example${path}`, init), doorOf(caller));

const refusalOf = async (response: Response): Promise<string> =>
  v.parse(Refusal, await response.json()).code;

const matrix = names.flatMap((name) =>
  (["anyone", "member", "approver", "operator"] as const).map((kind) => ({ name, kind })),
);

test.each(matrix)("$name answers $kind only if the table says so", async ({ name, kind }) => {
  const { method, path, needs } = calls[name];
  const init = { method: method.toUpperCase(), ...(method === "post" ? { body: "{}" } : {}) };
  const response = await send(path, init, callers[kind]);
  // An operator may bring what approvers have signed: the signatures decide, not who carries them.
  const isLetIn =
    needs === "anyone" || needs === kind || (needs === "approver" && kind === "operator");
  if (!isLetIn) {
    expect([response.status, await refusalOf(response)]).toEqual([403, "permission_denied"]);
  } else {
    // Past the authority: it was handled, or an input that is empty was refused as such.
    expect([200, 400]).toContain(response.status);
  }
});

test("a call is refused for its caller before its input is looked at", async () => {
  const response = await send(calls.credentialCreate.path, { method: "POST", body: "{no json" });
  expect(await refusalOf(response)).toBe("permission_denied");
});

test("what is no call is not found", async () => {
  for (const path of ["/", "/v1", "/v1/", "/v2/health", "/v1/health/", "/v1//health", "/v1/%00"]) {
    const response = await send(path);
    expect([path, response.status, await refusalOf(response)]).toEqual([path, 404, "not_found"]);
  }
});

test("a call with another method is told which", async () => {
  const response = await send(calls.enroll.path, { method: "PUT", body: "{}" });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("POST");
  const credentials = await send(calls.credentialList.path, { method: "DELETE" });
  expect(credentials.headers.get("allow")).toBe("POST, GET");
});

test.each([
  ["no JSON", "{"],
  ["an array", "[]"],
  ["another type", '"text"'],
  ["a field too many", '{"id":"0011223344556677","more":1}'],
  ["a prototype", '{"__proto__":{"id":"0011223344556677"}}'],
  ["a wrong spelling", '{"id":"00112233445566FF"}'],
  ["bytes that are no text", new Uint8Array([0xff, 0xfe])],
])("%s is malformed", async (_what, body) => {
  const init = { method: "POST", body };
  const response = await send(calls.credentialRevoke.path, init, callers.operator);
  expect([response.status, await refusalOf(response)]).toEqual([400, "request_malformed"]);
});

test("a body over the limit is refused, declared or not", async () => {
  const body = new Uint8Array(bodyMaxBytes + 1);
  expect((await send(calls.enroll.path, { method: "POST", body })).status).toBe(400);
  const stream = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
  });
  expect((await send(calls.enroll.path, { method: "POST", body: stream })).status).toBe(400);
});

test("a body that does not end is given up", async () => {
  const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
  const response = await send(calls.enroll.path, { method: "POST", body });
  expect([response.status, await refusalOf(response)]).toEqual([503, "timeout"]);
});

test("a fault says its code, its message and its remedy", async () => {
  const fault = new Fault("clock_skew", "wrong clock", { remedy: "set it" });
  const answer = await serveCalls(reached(fault), silentLog)(
    new Request("https://control.example/v1/health"),
    doorOf(callers.anyone),
  );
  expect(answer.status).toBe(401);
  const told = { code: "clock_skew", message: "wrong clock", remedy: "set it" };
  expect(await answer.json()).toEqual(told);
});

test("what breaks inside stays inside, and in the log", async () => {
  const lines: string[] = [];
  const log = openLog(
    (_level, line) => lines.push(line),
    () => 0,
  );
  const answer = await serveCalls(reached(new Error("row 17 of /var/lib")), log)(
    new Request("https://control.example/v1/health"),
    doorOf(callers.anyone),
  );
  expect(answer.status).toBe(503);
  expect(await answer.text()).not.toContain("row 17");
  expect(lines.join("")).toContain("row 17");
});
