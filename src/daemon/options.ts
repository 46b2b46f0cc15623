/** options are the daemon's settings as its command line spells them. */
import { type ArgsDef, parseArgs, renderUsage } from "citty";
import { Fault } from "../base/fault.ts";
import { type Config, configFileDefault, readConfig } from "./config.ts";

const args = {
  config: { type: "string", description: `Settings file, TOML (default ${configFileDefault})` },
  "state-dir": { type: "string", description: "Where keys and log are kept" },
  socket: { type: "string", description: "Where the command line reaches the daemon" },
  interface: { type: "string", description: "Name of the tunnel's interface" },
  "listen-port": { type: "string", description: "UDP port of the tunnel" },
  mtu: { type: "string", description: "MTU of the tunnel, in bytes" },
  backend: { type: "string", description: "auto, kernel or userspace" },
  endpoints: { type: "string", description: "Announce these too: 203.0.113.7:51820,…" },
  "hold-seconds": { type: "string", description: "How long to go on without the control server" },
  "passphrase-file": { type: "string", description: "File whose content seals the keys" },
  "plain-keys": { type: "boolean", description: "Keep the keys unencrypted" },
  "log-level": { type: "string", description: "debug, info, notice, warning or error" },
} as const satisfies ArgsDef;

const command = {
  meta: { name: "rustynet daemon", description: "The node daemon, usually run by systemd" },
  args,
};

/** Without citty's colours, which it puts into files too. */
export const renderHelp = async (): Promise<string> => Bun.stripANSI(await renderUsage(command));

/** Options over file over defaults. Throws Fault `usage` or `config_invalid`. */
export function parseOptions(argv: readonly string[]): Config {
  const { _: rest, config, ...given } = parseArgs<typeof args>([...argv], args);
  const unknown = [...rest, ...Object.keys(given).filter((name) => !isKnown(name))];
  if (unknown.length > 0)
    throw new Fault("usage", `rustynet daemon does not know ${unknown.join(", ")}`, {
      remedy: "rustynet daemon --help",
    });
  const settings: Record<string, unknown> = {};
  for (const name of Object.keys(args) as (keyof typeof args)[]) {
    const value = name === "config" ? undefined : given[name];
    if (value !== undefined) settings[name.replaceAll("-", "_")] = decode(name, value);
  }
  return readConfig(settings, config);
}

/** citty also hands over each name in camel case. */
const isKnown = (name: string): boolean =>
  Object.keys(args).some(
    (known) => known === name || known.replace(/-(.)/g, (_, c: string) => c.toUpperCase()) === name,
  );

const numeric: ReadonlySet<string> = new Set(["listen-port", "mtu", "hold-seconds"]);

function decode(name: string, value: string | boolean): unknown {
  if (typeof value !== "string") return value;
  if (name === "endpoints") return value.split(",");
  // What is no number stays text, and the schema says what is wrong with it.
  return numeric.has(name) && /^\d+$/.test(value) ? Number(value) : value;
}
