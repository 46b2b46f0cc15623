/** The daemon: puts its parts together, serves the command line, and lives until told to end. */
import * as os from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { exitCode, Fault, faultClass } from "../base/fault.ts";
import { journalPriority, type Log, openLog } from "../base/log.ts";
import { version } from "../base/version.ts";
import type { Random } from "../crypto/ed25519.ts";
import { openNetworkMonitor } from "../host/network-monitor.ts";
import { bootMs } from "../kernel/boot-clock.ts";
import { forbidCoreDumps } from "../kernel/core-dumps.ts";
import { lockFile } from "../kernel/file-lock.ts";
import { servePeerHttp } from "../kernel/peer-http.ts";
import { notifyReady } from "../kernel/sd-notify.ts";
import { NodeName } from "../model/names.ts";
import { makeDirectory } from "../store/disk.ts";
import { readPassphrase } from "../store/key-file.ts";
import { type Config, readServiceEnvironment } from "./config.ts";
import { openControlClient } from "./control-client.ts";
import { LinuxHost } from "./linux-host.ts";
import { identifyCaller } from "./local-caller.ts";
import { localHandlers, openLocalApi } from "./local-api.ts";
import { Node } from "./node.ts";
import { NodeState } from "./node-state.ts";
import { parseOptions, renderHelp } from "./options.ts";

/** Changes of the network come in bursts: one look serves them all. */
const settleMs = 100;

export async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(`${await renderHelp()}\n`);
    return 0;
  }
  try {
    await run(parseOptions(argv));
    return 0;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const remedy = error.remedy === undefined ? "" : `\n  ${error.remedy}`;
    process.stderr.write(`rustynet daemon: ${error.message}${remedy}\n`);
    return exitCode[faultClass[error.code]];
  }
}

async function run(config: Config): Promise<void> {
  // What the daemon writes is for its own user.
  process.umask(0o077);
  forbidCoreDumps();
  const service = readServiceEnvironment();
  const log = openDaemonLog(config);
  const custody = readPassphrase({
    credentialsDirectory: service.credentialsDirectory,
    passphraseFile: config.passphrase_file,
    plain: config.plain_keys,
  });
  makeDirectory(config.state_dir, 0o700);
  const state = new NodeState(config.state_dir, random);
  using _lock = lockState(config);
  const host = new LinuxHost(
    config.interface,
    config.backend,
    () => state.readKeys(custody).tunnel,
  );
  const node = new Node({
    state,
    custody,
    host,
    openClient: (target) => openControlClient({ ...target, clock, random }),
    config: {
      interface: config.interface,
      listenPort: config.listen_port,
      mtuBytes: config.mtu,
      mark: 0,
    },
    endpoints: config.endpoints,
    holdMs: config.hold_seconds * 1_000,
    hostName: nodeNameOf(os.hostname()),
    os: `${os.platform()}/${os.arch()}`,
    software: version,
    clock,
    random,
    log,
  });
  // systemd makes it; a daemon that is run by hand makes its own, and peer credentials guard both.
  makeDirectory(dirname(config.socket), 0o755);
  // Before the host is touched: a second daemon that finds the socket taken is to do nothing else.
  const local = await servePeerHttp({
    path: config.socket,
    mode: 0o660,
    identify: identifyCaller,
    fetch: openLocalApi(localHandlers(node)),
  });
  try {
    await live(node, host, log, () => {
      notifyReady(service.notifySocket);
      log.notice("started", { version, interface: config.interface, socket: config.socket });
    });
  } finally {
    await local.close();
    await node.stop();
  }
}

/** From the first look at the host until somebody ends it. */
async function live(
  node: Node,
  { filterPort }: LinuxHost,
  log: Log,
  onReady: () => void,
): Promise<void> {
  await node.start();
  const look = settled(() => node.onNetworkChange());
  const monitor = await openNetworkMonitor(look, filterPort);
  onReady();
  const signal = await untilTold();
  log.notice("ending", { signal });
  monitor.close();
}

const lockState = ({ state_dir }: Config): Disposable =>
  lockFile(
    join(state_dir, "lock"),
    "another daemon uses this state directory",
    "end the other one first: systemctl stop rustynet",
  );

const clock: Clock = {
  nowS: () => Math.floor(Date.now() / 1_000),
  monotonicMs: bootMs,
};

const random: Random = (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes));

function openDaemonLog(config: Config): Log {
  return openLog(
    (level, line) => process.stderr.write(`<${journalPriority[level]}>${line}\n`),
    () => Date.now(),
    config.log_level,
  );
}

/** The host's name as far as it can be a node's: the first label, in lower case. */
export function nodeNameOf(hostName: string): NodeName {
  const [label = ""] = hostName.toLowerCase().split(".");
  const cleaned = label
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  const parsed = v.safeParse(NodeName, cleaned);
  return parsed.success ? parsed.output : v.parse(NodeName, "node");
}

function settled(act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      act();
    }, settleMs);
  };
}

function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => resolve(signal));
  });
}
