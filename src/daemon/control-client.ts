/**
 * control-client is a node's way to the control server: signed calls and the map stream, over TLS 1.3
 * to the one key that the join token named. It believes nothing of what it carries; others do that.
 */
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { encodeHex, encodeUtf8 } from "../base/bytes.ts";
import { Fault, isFaultCode } from "../base/fault.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import type { Envelope } from "../crypto/envelope.ts";
import { Nonce } from "../model/ids.ts";
import { firstIssueOnly, wordIssue } from "../model/issue.ts";
import type { TlsPin } from "../model/keys.ts";
import type { Head } from "../wire/advertisement.ts";
import { type CallName, calls, type Input, mapStreamPath, Refusal } from "../wire/control-api.ts";
import type { EnrollmentInput, EnrollmentOutput } from "../wire/enrollment.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import type { Finding } from "../wire/local-api.ts";
import type { Held, StreamReport } from "../wire/map.ts";
import { signRequest } from "../wire/request-signature.ts";
import { openStream } from "./control-stream.ts";
import { type PinnedTls, probePin } from "./tls-pin.ts";

export type ControlTarget = {
  readonly url: ControlUrl;
  readonly pin: TlsPin;
  readonly identity: SigningSecret;
};

export type MapStreamHooks = {
  readonly held: Held;
  readonly head: Head;
  /** Each map as it arrived: the text of an envelope. Also called before the stream is returned. */
  readonly onMap: (text: string) => void;
  /** Once, when the stream has ended; null when this side closed it. */
  readonly onClose: (reason: Finding | null) => void;
};

export type MapStream = {
  readonly close: () => void;
  /** Closes the stream unless the server answers within half a second. */
  readonly probe: () => void;
  readonly send: (report: StreamReport) => void;
};

/** Everything throws `pin_mismatch`, `unavailable`, `timeout`, or what the server refused with. */
export type ControlClient = {
  readonly enroll: (input: EnrollmentInput) => Promise<EnrollmentOutput>;
  readonly advertise: (envelope: Envelope) => Promise<{ readonly generation: number }>;
  readonly leave: () => Promise<{ readonly epoch: number }>;
  readonly openMapStream: (hooks: MapStreamHooks) => Promise<MapStream>;
};

export type OpenControlClient = (target: ControlTarget) => ControlClient;

const callMaxMs = 15_000;
/** The largest answer is that to an enrollment: the whole log, of ten thousand nodes a third of this. */
const answerMaxLength = 64 << 20;
const backoffFirstMs = 200;
const backoffMaxMs = 30_000;

/**
 * How long to wait before attempt number `attempt`, which starts at 0: somewhere between half and all
 * of a time that doubles. `random` gives numbers from 0 to below 1.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const wholeMs = Math.min(backoffFirstMs * 2 ** Math.min(attempt, 30), backoffMaxMs);
  return Math.round(wholeMs / 2 + (random() * wholeMs) / 2);
}

export function openControlClient(
  target: ControlTarget & { readonly clock: Clock; readonly random: Random },
): ControlClient {
  const { url, pin, identity, clock, random } = target;
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
  const sign = (method: string, path: string, body: Uint8Array): Record<string, string> => {
    const nonce = v.parse(Nonce, encodeHex(random(16)));
    return signRequest({ method, url: url + path, body, identity, nowS: clock.nowS(), nonce });
  };
  const call = async <N extends CallName>(name: N, input: Input<N>) => {
    const { path, needs, output } = calls[name];
    const body = encodeUtf8(JSON.stringify(input));
    const signature = needs === "member" ? sign("POST", path, body) : {};
    const headers = { "content-type": "application/json", ...signature };
    const answer = await withTls((tls) => ask(url + path, { method: "POST", headers, body, tls }));
    return parseAnswer(output, answer);
  };
  return {
    enroll: (input) => call("enroll", input) as Promise<EnrollmentOutput>,
    advertise: (envelope) => call("advertise", { envelope }) as Promise<{ generation: number }>,
    leave: () => call("leave", {}) as Promise<{ epoch: number }>,
    openMapStream: (hooks) =>
      withTls((tls) => {
        const signed = () => sign("GET", mapStreamPath, new Uint8Array());
        const explain = () => askWhyNot(url + mapStreamPath, signed(), tls);
        return openStream({ url: url + mapStreamPath, tls, headers: signed(), explain, hooks });
      }),
  };
}

type Asked = { method: string; headers: Record<string, string>; body?: Uint8Array; tls: PinnedTls };

/** The answer to a request, or the server's refusal thrown. */
async function ask(url: string, { body, ...asked }: Asked): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(callMaxMs);
    const init = { ...asked, signal, redirect: "error" as const, keepalive: false };
    response = await fetch(url, body === undefined ? init : { ...init, body: body.slice() });
    text = await readText(response);
  } catch (cause) {
    throw unreachableFault(url, cause);
  }
  if (response.ok) return parseJson(text);
  throw faultOfRefusal(response.status, text);
}

/** Reads no further than an answer can be: a server that never ends would fill this host's memory. */
async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > answerMaxLength) throw new Error("the answer does not end");
  }
  return text + decoder.decode();
}

/** A WebSocket that is refused does not say why; the same request without the upgrade does. */
async function askWhyNot(
  url: string,
  headers: Record<string, string>,
  tls: PinnedTls,
): Promise<Fault> {
  try {
    await ask(url, { method: "GET", headers, tls });
  } catch (error) {
    if (error instanceof Fault && error.code !== "usage") return error;
  }
  return new Fault("unavailable", "the control server did not open the map stream", {
    remedy: "it is tried again by itself",
  });
}

function unreachableFault(url: string, cause: unknown): Fault {
  const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Fault(isTimeout ? "timeout" : "unavailable", `no answer from ${url}: ${why}`, {
    cause,
    remedy: "see that the control server runs and that this host can reach it",
  });
}

function faultOfRefusal(status: number, text: string): Fault {
  const refusal = v.safeParse(v.pipe(v.string(), v.parseJson(), Refusal), text);
  if (!refusal.success)
    return new Fault("unavailable", `the control server answered with status ${status}`);
  const { code, message, remedy } = refusal.output;
  const known = isFaultCode(code) ? code : "unavailable";
  return new Fault(known, message, remedy === undefined ? {} : { remedy });
}

function parseJson(text: string): unknown {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), text);
  if (parsed.success) return parsed.output;
  throw new Fault("unavailable", "the control server's answer is not JSON");
}

function parseAnswer<S extends v.GenericSchema>(schema: S, answer: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, answer, firstIssueOnly);
  if (parsed.success) return parsed.output;
  throw new Fault("unavailable", `the control server's answer: ${wordIssue(parsed.issues)}`, {
    remedy: "see that both run the same version",
  });
}
