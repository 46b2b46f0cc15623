/** options are what the control server is asked to do, as its command line spells it. */
import { type ArgsDef, parseArgs, renderUsage } from "citty";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import type { LogLevel } from "../base/log.ts";
import { Ranges } from "../membership/state.ts";
import { Endpoint } from "../model/ip.ts";
import { ApproverName } from "../model/names.ts";
import { ControlUrl } from "../wire/join-token.ts";
import { controlSocketDefault } from "../wire/local-api.ts";
import { Path, stateDirectoryDefault } from "./config.ts";

const shared = {
  "state-dir": {
    type: "string",
    description: `Where the network is kept (default ${stateDirectoryDefault})`,
  },
  "passphrase-file": { type: "string", description: "File whose content seals the keys" },
  json: { type: "boolean", description: "Answer with one JSON document" },
} as const satisfies ArgsDef;

const initArgs = {
  ...shared,
  url: { type: "string", description: "Where nodes reach this server: https://HOST:PORT" },
  listen: { type: "string", description: "Address and port to serve at (default 0.0.0.0:8443)" },
  range: { type: "string", description: "IPv4 range of the network (default 100.64.0.0/10)" },
  name: { type: "string", description: "Name of the owner's approver key (default owner)" },
  "tls-cert": { type: "string", description: "Your own certificate chain, PEM, with --tls-key" },
  "tls-key": { type: "string", description: "The private key of your own certificate, PEM" },
  "plain-keys": { type: "boolean", description: "Keep the keys unencrypted" },
  "enroll-burst": { type: "string", description: "Enrollments an address may ask at once (20)" },
  "enroll-per-minute": {
    type: "string",
    description: "Enrollments an address may go on with (10)",
  },
} as const satisfies ArgsDef;

const serveArgs = {
  ...shared,
  listen: { type: "string", description: "Address and port, instead of what init was told" },
  socket: { type: "string", description: `Socket for operators (default ${controlSocketDefault})` },
  "log-level": { type: "string", description: "debug, info, notice, warning or error" },
} as const satisfies ArgsDef;

const levels = ["debug", "info", "notice", "warning", "error"] as const satisfies LogLevel[];
const Whole = v.pipe(
  v.string(),
  v.regex(/^[1-9]\d{0,8}$/, "not a whole number"),
  v.transform(Number),
);

const Shared = {
  "state-dir": v.optional(Path, stateDirectoryDefault),
  "passphrase-file": v.optional(Path),
  json: v.optional(v.boolean(), false),
};

const InitOptions = v.object({
  ...Shared,
  url: v.optional(ControlUrl),
  listen: v.optional(Endpoint),
  range: v.optional(Ranges.entries.ipv4),
  name: v.optional(ApproverName),
  "tls-cert": v.optional(Path),
  "tls-key": v.optional(Path),
  "plain-keys": v.optional(v.boolean(), false),
  "enroll-burst": v.optional(Whole),
  "enroll-per-minute": v.optional(Whole),
});
export type InitOptions = v.InferOutput<typeof InitOptions>;

const ServeOptions = v.object({
  ...Shared,
  listen: v.optional(Endpoint),
  socket: v.optional(Path, controlSocketDefault),
  "log-level": v.optional(v.picklist(levels), "info"),
});
export type ServeOptions = v.InferOutput<typeof ServeOptions>;

export type Command =
  | { readonly kind: "init"; readonly options: InitOptions }
  | { readonly kind: "serve"; readonly options: ServeOptions }
  | { readonly kind: "help"; readonly text: string };

/** Throws `usage` for what it does not know and for values that are none. */
export async function parseCommand(argv: readonly string[]): Promise<Command> {
  const isInit = argv[0] === "init";
  const rest = isInit || argv[0] === "serve" ? argv.slice(1) : argv;
  if (rest.includes("--help") || rest.includes("-h"))
    return { kind: "help", text: isInit ? await usageOf("init") : await usageOf("serve") };
  if (isInit) return { kind: "init", options: parse(InitOptions, initArgs, rest, "control init") };
  return { kind: "serve", options: parse(ServeOptions, serveArgs, rest, "control") };
}

async function usageOf(which: "init" | "serve"): Promise<string> {
  if (which === "init") {
    const description = "Make a network, its keys and its control server, once";
    return renderUsage({ meta: { name: "rustynet control init", description }, args: initArgs });
  }
  const description = "Run the control server; `rustynet control init` makes one first";
  return renderUsage({ meta: { name: "rustynet control", description }, args: serveArgs });
}

function parse<S extends v.GenericSchema>(
  schema: S,
  args: ArgsDef,
  argv: readonly string[],
  name: string,
): v.InferOutput<S> {
  const remedy = `rustynet ${name} --help`;
  const { _: rest, ...given } = parseArgs([...argv], args);
  const known = new Set(Object.keys(args).flatMap((option) => [option, camelCase(option)]));
  const unknown = [...rest, ...Object.keys(given).filter((option) => !known.has(option))];
  if (unknown.length > 0)
    throw new Fault("usage", `rustynet ${name} does not know ${unknown.join(", ")}`, { remedy });
  const values = Object.entries(given).filter(
    ([option, value]) => Object.hasOwn(args, option) && value !== undefined,
  );
  const parsed = v.safeParse(schema, Object.fromEntries(values));
  if (parsed.success) return parsed.output;
  const flaws = Object.entries(v.flatten(parsed.issues).nested ?? {}).map(
    ([option, texts]) => `--${option}: ${(texts as string[] | undefined)?.join(", ")}`,
  );
  throw new Fault("usage", flaws.join("; "), { remedy });
}

/** citty hands each value over under this name as well. */
const camelCase = (option: string): string =>
  option.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
