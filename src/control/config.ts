/**
 * config is what the control server was told: at `init`, kept beside its database, and at each start
 * by options. Read once, here only, and frozen.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { encodeUtf8 } from "../base/bytes.ts";
import { Ranges } from "../membership/state.ts";
import { Endpoint } from "../model/ip.ts";
import { ApproverName } from "../model/names.ts";
import { ControlUrl } from "../wire/join-token.ts";

export const stateDirectoryDefault = "/var/lib/rustynet-control";

export const Path = v.pipe(v.string(), v.startsWith("/", "not an absolute path"));
const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const Bucket = v.strictObject({
  burst: natural,
  refillPerMinute: v.pipe(v.number(), v.minValue(0.001)),
});

const Limits = v.strictObject({
  address: Bucket,
  identity: Bucket,
  lockout: v.strictObject({ firstS: natural, maxS: natural }),
  remembered: natural,
});

/** Who may read this may also read the keys beside it; it holds no secret itself. */
export const NetworkConfig = v.strictObject({
  version: v.literal(1),
  url: ControlUrl,
  listen: Endpoint,
  range: Ranges.entries.ipv4,
  approver: ApproverName,
  /** How the keys are kept. Chosen once, at `init`. */
  custody: v.picklist(["plain", "sealed"]),
  tls: v.variant("kind", [
    v.strictObject({ kind: v.literal("self_signed") }),
    v.strictObject({ kind: v.literal("files"), certificate: Path, key: Path }),
  ]),
  /** Limits of the enrollment call. */
  limits: Limits,
});
export type NetworkConfig = Readonly<v.InferOutput<typeof NetworkConfig>>;

/** Everything of one network, in one directory, so that it appears and moves as one. */
export const layout = (stateDirectory: string) => {
  const network = join(stateDirectory, "network");
  return { network, lock: join(stateDirectory, "lock"), ...filesIn(network) } as const;
};

export const filesIn = (network: string) => ({
  config: join(network, "control.json"),
  database: join(network, "control.db"),
  approverKey: join(network, "approver.key"),
  controlKey: join(network, "control.key"),
  tlsKey: join(network, "tls.key"),
  certificate: join(network, "tls.crt"),
});

/** Null when no network was made here yet. */
export function readNetworkConfig(path: string): NetworkConfig | null {
  if (!existsSync(path)) return null;
  const text = v.pipe(v.string(), v.parseJson(), NetworkConfig);
  const parsed = v.safeParse(text, readFileSync(path, "utf8"));
  if (parsed.success) return Object.freeze(parsed.output);
  throw new Fault("config_invalid", `${path}: ${v.summarize(parsed.issues)}`, {
    remedy: "put right what was edited there, or restore it from a backup",
  });
}

export const encodeNetworkConfig = (config: NetworkConfig): Uint8Array =>
  encodeUtf8(`${JSON.stringify(config, null, 2)}\n`);

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
