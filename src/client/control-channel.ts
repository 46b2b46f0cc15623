/**
 * control-channel is the way to a control server over TLS 1.3, to the one key that a token or a card
 * named: each call of the table, signed with whatever key the caller has. It believes nothing of what
 * it carries; others do that.
 */
import * as v from "valibot";
import { encodeHex, encodeUtf8 } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import { Nonce } from "../model/ids.ts";
import { firstIssueOnly, wordIssue } from "../model/issue.ts";
import type { TlsPin } from "../model/keys.ts";
import { type Call, type CallName, calls, type Input, type Output } from "../wire/control-api.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import { signRequest } from "../wire/request-signature.ts";
import { decodeJson, faultOfRefusal, queryOf, readText } from "./http-answer.ts";
import { type PinnedTls, probePin } from "./tls-pin.ts";

/** Which server, and as whom: a node's identity key, or an approver's. */
export type ControlTarget = {
  readonly url: ControlUrl;
  readonly pin: TlsPin;
  readonly signer: SigningSecret;
};

/** The calls that are served at the port: an operator's exist at the server's own socket alone. */
export type RemoteCallName = {
  [N in CallName]: (typeof calls)[N]["needs"] extends "operator" ? never : N;
}[CallName];

/** Everything throws `pin_mismatch`, `unavailable`, `timeout`, or what the server refused with. */
export type ControlChannel = {
  readonly call: <N extends RemoteCallName>(name: N, input: Input<N>) => Promise<Output<N>>;
  /** Signs a GET of this path and gives it to `open`, for what answers by more than one message. */
  readonly open: <T>(path: string, open: (request: SignedGet) => Promise<T>) => Promise<T>;
};

export type SignedGet = {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly tls: PinnedTls;
  /** Asks the same, signed anew and without an upgrade, for the refusal; null when there is none. */
  readonly findRefusal: () => Promise<Fault | null>;
};

const callMaxMs = 15_000;
/** The largest answer is that to an enrollment: the whole log, of ten thousand nodes a third of this. */
const answerMaxLength = 64 << 20;

export function openControlChannel(
  target: ControlTarget & { readonly clock: Clock; readonly random: Random },
): ControlChannel {
  const { url, pin, signer, clock, random } = target;
  let tls: Promise<PinnedTls> | null = null;
  /** The server's certificate may have changed under the same key: after a failure look again. */
  const withTls = async <T>(act: (tls: PinnedTls) => Promise<T>): Promise<T> => {
    tls ??= probePin(url, pin);
    try {
      return await act(await tls);
    } catch (error) {
      tls = null;
      throw error;
    }
  };
  const sign = (method: string, targetUri: string, body: Uint8Array): Record<string, string> => {
    const nonce = v.parse(Nonce, encodeHex(random(16)));
    const nowS = clock.nowS();
    return signRequest({ method, url: targetUri, body, identity: signer, nowS, nonce });
  };
  return {
    call: async (name, input) => {
      const call: Call = calls[name];
      const { method, path, body, headers } = wordRequest(call, input);
      const signature = call.needs === "anyone" ? {} : sign(method, url + path, body);
      const asked = { method, body, headers: { ...headers, ...signature } };
      const answer = await withTls((pinned) => ask(url + path, { ...asked, tls: pinned }));
      // The table ties the output to its name; TypeScript cannot follow it through the lookup.
      return parseAnswer(call.output, answer) as Output<typeof name>;
    },
    open: (path, open) =>
      withTls((pinned) => {
        const signed = () => sign("GET", url + path, nothing);
        const findRefusal = () => refusalTo(url + path, signed(), pinned);
        return open({ url: url + path, headers: signed(), tls: pinned, findRefusal });
      }),
  };
}

const nothing = new Uint8Array();

export type WordedRequest = {
  readonly method: "GET" | "POST";
  /** With the query, which a signature covers too. */
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Record<string, string>;
};

/** A call as HTTP: the input of a GET, all of whose fields are text, is its query; of a POST its body. */
export function wordRequest(
  { method, path }: Pick<Call, "method" | "path">,
  input: unknown,
): WordedRequest {
  if (method === "get")
    return { method: "GET", path: path + queryOf(input), body: nothing, headers: {} };
  const body = encodeUtf8(JSON.stringify(input));
  return { method: "POST", path, body, headers: { "content-type": "application/json" } };
}

type Asked = {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  readonly tls: PinnedTls;
};

/** The answer to a request, or the server's refusal thrown. */
async function ask(url: string, { body, ...asked }: Asked): Promise<unknown> {
  let response: Response;
  let text: string | null;
  try {
    const signal = AbortSignal.timeout(callMaxMs);
    const init = { ...asked, signal, redirect: "error" as const, keepalive: false };
    response = await fetch(url, asked.method === "GET" ? init : { ...init, body: body.slice() });
    text = await readText(response, answerMaxLength);
  } catch (cause) {
    throw unreachableFault(url, cause);
  }
  if (text === null) throw unreachableFault(url, new Error("the answer does not end"));
  const answer = decodeJson(text);
  if (!response.ok) throw refusalOf(response.status, answer);
  if (answer !== undefined) return answer;
  throw new Fault("unavailable", "the control server's answer is not JSON");
}

async function refusalTo(
  url: string,
  headers: Record<string, string>,
  tls: PinnedTls,
): Promise<Fault | null> {
  try {
    await ask(url, { method: "GET", headers, body: nothing, tls });
  } catch (error) {
    // `usage` is what a server says to a request for a stream that is none.
    if (error instanceof Fault && error.code !== "usage") return error;
  }
  return null;
}

function unreachableFault(url: string, cause: unknown): Fault {
  const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Fault(isTimeout ? "timeout" : "unavailable", `no answer from ${url}: ${why}`, {
    cause,
    remedy: "see that the control server runs and that this host can reach it",
  });
}

const refusalOf = (status: number, body: unknown): Fault =>
  faultOfRefusal(body, "unavailable") ??
  new Fault("unavailable", `the control server answered with status ${status}`);

function parseAnswer(schema: v.GenericSchema, answer: unknown): unknown {
  const parsed = v.safeParse(schema, answer, firstIssueOnly);
  if (parsed.success) return parsed.output;
  throw new Fault("unavailable", `the control server's answer: ${wordIssue(parsed.issues)}`, {
    remedy: "see that both run the same version",
  });
}
