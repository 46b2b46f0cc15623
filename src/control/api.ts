/**
 * api binds the call table to hono. The order is fixed here, once: authority, parse, handle. It also
 * owns what every refusal looks like.
 */
import { Hono } from "hono";
import * as v from "valibot";
import { concatBytes, decodeUtf8 } from "../base/bytes.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import {
  type Authority,
  type CallName,
  calls,
  type Input,
  type Output,
  type Refusal,
} from "../wire/control-api.ts";
import { Spelled } from "./spelled.ts";
import type { ApproverCaller, Caller, Member, Operator } from "./control.ts";

type CallerOf = {
  readonly anyone: Caller;
  readonly member: Member;
  readonly approver: ApproverCaller | Operator;
  readonly operator: Operator;
};

/** One handler for each call in the table: a missing or an extra one does not compile. */
export type Handlers = {
  readonly [N in CallName]: (
    input: Input<N>,
    caller: CallerOf[(typeof calls)[N]["needs"]],
  ) => Promise<Output<N> | Spelled<Output<N>>>;
};

/** Where a request came in: proves who sends it, and knows that before anything of it is read. */
export type Door = {
  readonly identify: (request: Request, body: Uint8Array) => Promise<Caller>;
};

/** The largest body that is read. An enrollment and an advertisement have a few kilobytes. */
export const bodyMaxBytes = 256 * 1024;

/** A new fault code does not compile until somebody decides its status. */
export const httpStatus = {
  usage: 400,
  request_malformed: 400,
  name_invalid: 400,
  not_found: 404,
  already_exists: 409,
  config_invalid: 500,
  permission_denied: 403,
  credential_invalid: 403,
  network_mismatch: 403,
  pin_mismatch: 403,
  signature_invalid: 401,
  membership_rejected: 409,
  outdated: 409,
  map_rejected: 409,
  replayed: 409,
  clock_skew: 401,
  revoked: 403,
  key_custody: 500,
  algorithm_denied: 400,
  unavailable: 503,
  timeout: 503,
  rate_limited: 429,
  backend_unavailable: 500,
  backend_invalid_input: 500,
  backend_already_running: 500,
  backend_not_running: 500,
  backend_unsupported: 500,
  backend_internal: 500,
  host_failed: 500,
  route_overlap: 500,
  rollback_failed: 500,
  withdraw_failed: 500,
  busy: 503,
  store_corrupt: 500,
  version_unknown: 500,
} as const satisfies Record<FaultCode, number>;

/** How long a body may take to arrive. */
const bodyMaxMsDefault = 10_000;

type Env = { Bindings: { readonly door: Door } };

/** The whole API as a function from requests to answers. It does not throw. */
export function serveCalls(
  handlers: Handlers,
  log: Log,
  bodyMaxMs: number = bodyMaxMsDefault,
): (request: Request, door: Door) => Promise<Response> {
  const app = new Hono<Env>();
  const methods = new Map<string, string>();
  for (const name of Object.keys(calls) as CallName[]) {
    const { method, path, needs, input } = calls[name];
    methods.set(path, [methods.get(path), method.toUpperCase()].filter(Boolean).join(", "));
    // TypeScript cannot relate a call to its handler inside a loop; the type `Handlers` did.
    const handle = handlers[name] as (input: unknown, caller: Caller) => Promise<object>;
    app.on(method.toUpperCase(), path, async (context) => {
      const request = context.req.raw;
      const body = await readBody(request, bodyMaxMs);
      const caller = await context.env.door.identify(request, body);
      refuseAuthority(needs, caller);
      const given = method === "post" ? parseJson(body) : context.req.query();
      const parsed = v.safeParse(input, given);
      if (!parsed.success) throw new Fault("request_malformed", v.summarize(parsed.issues));
      const answer = await handle(parsed.output, caller);
      if (!(answer instanceof Spelled)) return context.json(answer);
      return context.body(answer.text, 200, { "content-type": "application/json" });
    });
  }
  app.notFound((context) => {
    const allow = methods.get(context.req.path);
    if (allow === undefined)
      return refusalResponse(new Fault("not_found", "there is no such call"));
    const remedy = `use ${allow}`;
    const refusal = { code: "usage", message: "not with this method", remedy } satisfies Refusal;
    return Response.json(refusal, { status: 405, headers: { allow } });
  });
  app.onError((error) => respondToError(error, log));
  return async (request, door) => app.fetch(request, { door });
}

/** The one door of the control server: a fault says what it is, anything else only that it is ours. */
export function respondToError(error: Error, log: Log): Response {
  if (error instanceof Fault) {
    if (httpStatus[error.code] === 500)
      log.error("call_failed", { code: error.code, why: error.message });
    return refusalResponse(error);
  }
  log.error("call_broke", { why: `${error.stack}` });
  return refusalResponse(new Fault("unavailable", "the control server met an error of its own"));
}

export function refusalResponse(fault: Fault, status: number = httpStatus[fault.code]): Response {
  const { code, message, remedy } = fault;
  const refusal: Refusal = remedy === undefined ? { code, message } : { code, message, remedy };
  return Response.json(refusal, { status });
}

const wanted = {
  member: {
    whom: "a member",
    remedy: "sign the request with the identity key of an active node",
  },
  approver: {
    whom: "an approver",
    remedy: "sign the request with an approver key that is in force",
  },
  operator: { whom: "an operator", remedy: "run it on the control server's host, as root" },
} as const;

/** Which callers may make a call: an operator is no member, nor the other way round. */
function refuseAuthority(needs: Authority, caller: Caller): void {
  if (needs === "anyone" || needs === caller.kind) return;
  if (needs === "approver" && caller.kind === "operator") return;
  const { whom, remedy } = wanted[needs];
  throw new Fault("permission_denied", `this call needs ${whom}`, { remedy });
}

/** Read here once, because what was signed are these bytes. */
async function readBody(request: Request, maxMs: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > bodyMaxBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const timer = setTimeout(() => void reader.cancel("too slow"), maxMs);
  const endsAtMs = performance.now() + maxMs;
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (performance.now() >= endsAtMs) throw tooSlow();
      if (done) return concatBytes(...chunks);
      sizeBytes += value.length;
      if (sizeBytes > bodyMaxBytes) throw tooLarge();
      chunks.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

const tooSlow = (): Fault => new Fault("timeout", "the body took too long to arrive");

const tooLarge = (): Fault =>
  new Fault("request_malformed", `the body is larger than ${bodyMaxBytes} bytes`);

/** Nothing is the same as an empty object: a call without arguments needs no body. */
function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return {};
  const text = decodeUtf8(body);
  if (text === null) throw new Fault("request_malformed", "the body is not UTF-8");
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Fault("request_malformed", "the body is not JSON");
  }
}
