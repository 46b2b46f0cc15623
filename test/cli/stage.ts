/**
 * stage runs the command line as a person would and keeps what it said. Daemon and control server
 * are fakes behind real sockets, made from the call tables: what they answer must fit the tables.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { Secret } from "../../src/base/secret.ts";
import { main } from "../../src/cli/main.ts";
import type { Host } from "../../src/cli/service-host.ts";
import type { Surroundings } from "../../src/cli/surroundings.ts";
import type { EchoOutcome, EchoRequest } from "../../src/kernel/icmp-echo.ts";
import { type CallName, calls, type Input, type Output } from "../../src/wire/control-api.ts";
import {
  type LocalCallName,
  type LocalInput,
  localCalls,
  type LocalOutput,
} from "../../src/wire/local-api.ts";

/** The moment at which every test of the command line takes place: 2026-11-21 04:00 UTC. */
export const nowS = 1_795_233_600;

export type LocalAnswers = {
  readonly [N in LocalCallName]?: (input: LocalInput<N>) => LocalOutput<N>;
};
export type OperatorAnswers = {
  readonly [N in CallName]?: (input: Input<N>) => Output<N>;
};

export type Said = { readonly exit: number; readonly out: string; readonly err: string };

export type Wishes = {
  readonly stdin?: string;
  readonly login?: string | null;
  readonly isTerminal?: boolean;
  readonly echo?: (request: EchoRequest) => EchoOutcome;
  readonly host?: Host;
  readonly files?: Readonly<Record<string, string>>;
  /** What is typed at each question in turn; nobody is at a terminal when it is not there. */
  readonly typed?: readonly string[];
  readonly isHomeless?: true;
};

export class Stage implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "rustynet-cli-"));
  readonly socket = join(this.folder, "s.sock");
  readonly #servers: { stop(force: boolean): unknown }[] = [];
  /** What was asked, in order: the call's name and its input. */
  readonly asked: (readonly [name: string, input: unknown])[] = [];
  /** The questions that a person was asked at the terminal. */
  readonly questions: string[] = [];

  serveDaemon(answers: LocalAnswers): this {
    return this.#serve(localCalls, answers);
  }

  serveControl(answers: OperatorAnswers): this {
    return this.#serve(calls, answers);
  }

  /** Whatever is asked, this is said: for servers that are broken, hostile or newer. */
  serveRaw(respond: (request: Request) => Response | Promise<Response>): this {
    this.#servers.push(Bun.serve({ unix: this.socket, fetch: respond }));
    return this;
  }

  #serve(
    table: Readonly<
      Record<
        string,
        {
          readonly method: string;
          readonly path: string;
          readonly input: v.GenericSchema;
          readonly output: v.GenericSchema;
        }
      >
    >,
    answers: Readonly<Record<string, unknown>>,
  ): this {
    return this.serveRaw(async (request) => {
      const url = new URL(request.url);
      if (request.headers.get("host") !== "local") throw new Error("the host is not local");
      const method = request.method.toLowerCase();
      const name = Object.keys(table).find(
        (each) => table[each]?.path === url.pathname && table[each].method === method,
      );
      const call = name === undefined ? undefined : table[name];
      if (name === undefined || call === undefined) throw new Error(`no call ${request.url}`);
      const given = method === "get" ? Object.fromEntries(url.searchParams) : await request.json();
      const input = v.parse(call.input, given);
      this.asked.push([name, input]);
      const answer = answers[name];
      if (typeof answer !== "function") throw new Error(`the test has no answer to ${name}`);
      try {
        return Response.json(v.parse(call.output, answer(input)));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        const { code, message, remedy } = error;
        return Response.json({ code, message, remedy }, { status: 403 });
      }
    });
  }

  /** Runs a command line; the socket is added to it, before a `--` if there is one. */
  run(argv: readonly string[], wishes: Wishes = {}): Promise<Said> {
    const end = argv.indexOf("--");
    const at = end === -1 ? argv.length : end;
    return this.runAsIs([...argv.slice(0, at), "--socket", this.socket, ...argv.slice(at)], wishes);
  }

  async runAsIs(argv: readonly string[], wishes: Wishes = {}): Promise<Said> {
    const said = { out: "", err: "" };
    const exit = await main(argv, surroundings(said, wishes, this));
    return { exit, ...said };
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.stop(true);
    rmSync(this.folder, { recursive: true });
  }
}

/** Time passes only while somebody sleeps, so waiting takes no time and has an exact end. */
function surroundings(
  said: { out: string; err: string },
  wishes: Wishes,
  { folder, questions }: Stage,
): Surroundings {
  let elapsedMs = 0;
  const typed = wishes.typed === undefined ? null : [...wishes.typed];
  const stream = (name: "out" | "err") => ({
    write: (text: string) => {
      said[name] += text;
    },
    isTerminal: wishes.isTerminal ?? false,
    hasColour: wishes.isTerminal ?? false,
  });
  return {
    stdout: stream("out"),
    stderr: stream("err"),
    readStdin: () => Promise.resolve(wishes.stdin ?? ""),
    readTextFile: (path) => {
      const text = wishes.files?.[path];
      return text === undefined ? Promise.reject(new Error("ENOENT")) : Promise.resolve(text);
    },
    login: wishes.login === undefined ? "alice" : wishes.login,
    clock: { nowS: () => nowS, monotonicMs: () => elapsedMs },
    sleep: (ms) => {
      elapsedMs += ms;
      return Promise.resolve();
    },
    sendEcho: (request) =>
      Promise.resolve(wishes.echo?.(request) ?? { kind: "answered", roundTripUs: 1_234 }),
    host: wishes.host ?? noHost,
    random: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    askHidden: (question) => {
      if (typed === null) return Promise.resolve(null);
      questions.push(question);
      const answer = typed.shift();
      if (answer === undefined) throw new Error(`nobody answers: ${question}`);
      return Promise.resolve(new Secret(encodeUtf8(answer)));
    },
    forbidCoreDumps: () => {},
    approverDirectory: wishes.isHomeless ? null : join(folder, "config/rustynet/approver"),
  };
}

const refuse = (): never => {
  throw new Error("this command must not touch the host");
};

const noHost: Host = {
  userId: 0,
  program: { path: "/nowhere", isBuilt: false },
  readProgramFile: refuse,
  read: refuse,
  exists: refuse,
  write: refuse,
  mode: refuse,
  remove: refuse,
  removeIfEmpty: refuse,
  runsPrograms: false,
  run: refuse,
};
