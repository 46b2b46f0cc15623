/**
 * local-api answers the command line: authority first, then parse, then handle, for every call of the
 * table alike. Who the caller is was established by the socket, not by anything the caller says.
 */
import * as v from "valibot";
import { Fault, type FaultClass, faultClass } from "../base/fault.ts";
import type { Status } from "../wire/local-api.ts";
import {
  type LocalAuthority,
  type LocalCallName,
  type LocalInput,
  type LocalOutput,
  localCalls,
} from "../wire/local-api.ts";
import type { Node } from "./node.ts";
import { renderStatus } from "./status.ts";

export type LocalHandlers = {
  readonly [N in LocalCallName]: (input: LocalInput<N>) => Promise<LocalOutput<N>>;
};

/** What the socket knows of its caller; null may not even look. */
export type LocalCaller = LocalAuthority | null;

const httpStatus = {
  usage: 400,
  refused: 403,
  temporary: 503,
  corrupt: 500,
} as const satisfies Record<FaultClass, number>;

const bodyMaxBytes = 64 * 1024;

export function openLocalApi(
  handlers: LocalHandlers,
): (request: Request, caller: LocalCaller) => Promise<Response> {
  return async (request, caller) => {
    try {
      return Response.json(await answer(handlers, request, caller));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { code, message, remedy } = error;
      return Response.json({ code, message, remedy }, { status: httpStatus[faultClass[code]] });
    }
  };
}

async function answer(
  handlers: LocalHandlers,
  request: Request,
  caller: LocalCaller,
): Promise<unknown> {
  const url = new URL(request.url);
  const name = (Object.keys(localCalls) as LocalCallName[]).find(
    (call) =>
      localCalls[call].path === url.pathname &&
      localCalls[call].method === request.method.toLowerCase(),
  );
  if (name === undefined) throw new Fault("not_found", `no call ${request.method} ${url.pathname}`);
  refuseAuthority(localCalls[name].needs, caller);
  const given =
    localCalls[name].method === "get"
      ? Object.fromEntries(url.searchParams)
      : await readBody(request);
  const parsed = v.safeParse(localCalls[name].input, given);
  if (!parsed.success) throw new Fault("request_malformed", v.summarize(parsed.issues));
  // The table ties the input to its handler; inside a loop over names TypeScript cannot see it.
  const handle = handlers[name] as (input: unknown) => Promise<unknown>;
  return handle(parsed.output);
}

function refuseAuthority(needs: LocalAuthority, caller: LocalCaller): void {
  if (caller === "change" || (caller === "read" && needs === "read")) return;
  throw new Fault("permission_denied", `this call needs the right to ${needs}`, {
    remedy:
      needs === "read"
        ? "run it as root, or as a member of the group rustynet"
        : "run it as root: sudo rustynet …",
  });
}

async function readBody(request: Request): Promise<unknown> {
  const text = await request.text();
  if (text.length > bodyMaxBytes) throw new Fault("request_malformed", "the body is too large");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("request_malformed", "the body is not JSON", { cause });
  }
}

export function localHandlers(node: Node): LocalHandlers {
  const status = () => node.inTurn(() => readStatus(node));
  return {
    status,
    whois: async ({ ip }) => {
      const { peers } = await status();
      const report = peers.find(({ ipv4, ipv6 }) => ip === ipv4 || ip === ipv6);
      if (report !== undefined) return report;
      throw new Fault("not_found", `${ip} belongs to no other active node of this network`, {
        remedy: "rustynet peers lists them",
      });
    },
    up: async ({ token, name }) => {
      await node.up(token, name);
      return status();
    },
    down: async () => {
      await node.down();
      return status();
    },
    auditList: async () => ({
      records: [...(await node.inTurn(async () => node.parts.state.audit.read()))],
    }),
    membershipResolve: async ({ id }) => {
      await node.inTurn(async () => {
        if (node.belief.view === null)
          throw new Fault("usage", "this host belongs to no network whose log it could judge");
        node.witness.resolve(id, node.belief.view);
      });
      return status();
    },
    logout: async ({ scope }) => {
      await node.logout(scope);
      return status();
    },
  };
}

async function readStatus(node: Node): Promise<Status> {
  const { belief, reconciler, parts } = node;
  const found = await parts.host.observe(parts.config).catch((error: unknown) => {
    // What cannot be read is said by the reconciler, which meets the same fault.
    if (error instanceof Fault) return null;
    throw error;
  });
  return renderStatus({
    version: parts.software,
    nowS: parts.clock.nowS(),
    enrollment: node.enrollment,
    request: node.request,
    verdict: node.verdict,
    damage: node.damage,
    view: belief.view,
    conflicts: node.damage === null ? node.witness.conflicts : [],
    leaseMs: belief.leaseMs(),
    lifecycle: reconciler.lifecycle,
    problem: reconciler.problem,
    overlap: reconciler.overlap,
    link: node.link,
    backend: parts.host.backend(),
    config: parts.config,
    found,
  });
}
