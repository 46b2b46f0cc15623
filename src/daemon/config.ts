/** The daemon's settings: from its file, then its options; read once, here only, and frozen. */
import * as fs from "node:fs";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import type { LogLevel } from "../base/log.ts";
import { Endpoint } from "../model/ip.ts";
import { InterfaceName } from "../model/names.ts";
import { localSocketDefault } from "../wire/local-api.ts";

export const configFileDefault = "/etc/rustynet/daemon.toml";

const Port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const Path = v.pipe(v.string(), v.startsWith("/", "not an absolute path"));
const levels = ["debug", "info", "notice", "warning", "error"] as const satisfies LogLevel[];

/** The same names in the file and, with dashes, on the command line. */
const Config = v.strictObject({
  state_dir: v.optional(Path, "/var/lib/rustynet"),
  socket: v.optional(Path, localSocketDefault),
  interface: v.optional(InterfaceName, "rustynet0"),
  listen_port: v.optional(Port, 51_820),
  mtu: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1_280), v.maxValue(9_000)), 1_420),
  backend: v.optional(v.picklist(["auto", "kernel", "userspace"]), "auto"),
  /** Endpoints to announce besides the host's own addresses, such as a forwarded port. */
  endpoints: v.optional(v.array(Endpoint), []),
  /** How long a verified map stays in force while the control server is away. */
  hold_seconds: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(7 * 86_400)),
    86_400,
  ),
  passphrase_file: v.optional(Path),
  plain_keys: v.optional(v.boolean(), false),
  log_level: v.optional(v.picklist(levels), "info"),
});
export type Config = Readonly<v.InferOutput<typeof Config>>;

/** What systemd tells the service through its environment (systemd.exec(5), sd_notify(3)). */
export type ServiceEnvironment = {
  readonly credentialsDirectory: string | undefined;
  readonly notifySocket: string | undefined;
};

export function readServiceEnvironment(env = process.env): ServiceEnvironment {
  return {
    credentialsDirectory: env["CREDENTIALS_DIRECTORY"],
    notifySocket: env["NOTIFY_SOCKET"],
  };
}

/** Options win over the file. A file that was named must be there; the default one need not. */
export function readConfig(
  options: Readonly<Record<string, unknown>>,
  file: string | undefined,
): Config {
  const given = { ...readFile(file ?? configFileDefault, file !== undefined), ...options };
  const parsed = v.safeParse(Config, given);
  if (parsed.success) return Object.freeze(parsed.output);
  const issues = v.flatten(parsed.issues);
  const named = Object.entries(issues.nested ?? {}).map(
    ([name, texts]) => `${name}: ${texts?.join(", ")}`,
  );
  throw new Fault("config_invalid", [...named, ...(issues.root ?? [])].join("; "), {
    remedy: "rustynet daemon --help names every setting",
  });
}

function readFile(path: string, isRequired: boolean): Readonly<Record<string, unknown>> {
  if (!isRequired && !fs.existsSync(path)) return {};
  try {
    const parsed: unknown = Bun.TOML.parse(fs.readFileSync(path, "utf8"));
    return v.parse(v.record(v.string(), v.unknown()), parsed);
  } catch (cause) {
    throw new Fault("config_invalid", `${path} cannot be read as TOML`, { cause });
  }
}
