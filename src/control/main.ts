/** The control server: makes a network once, then serves it until told to end. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Clock } from "../base/clock.ts";
import { exitCode, Fault, faultClass } from "../base/fault.ts";
import { journalPriority, type Log, openLog, printable } from "../base/log.ts";
import { type Random, SigningSecret } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import { lockFile } from "../kernel/file-lock.ts";
import { notifyReady } from "../kernel/sd-notify.ts";
import { splitEndpoint } from "../model/ip.ts";
import { openControlStore } from "../store/control-store.ts";
import { makeDirectory } from "../store/disk.ts";
import { readKeyFile, readPassphrase } from "../store/key-file.ts";
import { filesIn, layout, readNetworkConfig, readServiceEnvironment } from "./config.ts";
import { initNetwork, type Outcome } from "./init.ts";
import { type InitOptions, parseCommand, type ServeOptions } from "./options.ts";
import { type ControlKeys, startControl } from "./serve.ts";
import { readTls } from "./tls-files.ts";

/** Returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const command = await parseCommand(argv);
    if (command.kind === "help") help(command.text);
    else if (command.kind === "init") await init(command.options);
    else await serve(command.options);
    return 0;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    report(error, argv.includes("--json"));
    return exitCode[faultClass[error.code]];
  }
}

function help(text: string): void {
  process.stdout.write(`${process.stdout.isTTY ? text : stripVTControlCharacters(text)}\n`);
}

function report({ code, message, remedy }: Fault, asJson: boolean): void {
  if (asJson) process.stdout.write(`${JSON.stringify({ code, message, remedy })}\n`);
  const hint = remedy === undefined ? "" : `\n  ${printable(remedy)}`;
  process.stderr.write(`rustynet control: ${printable(message)}${hint}\n`);
}

async function init(options: InitOptions): Promise<void> {
  // What is made here is for the service's own user.
  process.umask(0o077);
  const { credentialsDirectory } = readServiceEnvironment();
  const outcome = await initNetwork(options, { credentialsDirectory, clock, random });
  const text = options.json ? `${JSON.stringify(outcome)}\n` : describe(outcome, options);
  process.stdout.write(text);
}

function describe(outcome: Outcome, { "state-dir": directory }: InitOptions): string {
  const { config } = outcome;
  const where = `${directory}/network`;
  const next = [
    "Next:",
    "  rustynet control                 serves it (systemctl start rustynet-control does the same)",
    "  rustynet credential create       prints a join token for one node",
    "  rustynet up TOKEN                on that node",
    "",
  ];
  if (outcome.kind === "there_already")
    return [`A network is in ${where} already; nothing was changed.`, "", ...next].join("\n");
  const { network, genesis, pin } = outcome.founded;
  const kept = config.custody === "plain" ? "unencrypted, as you asked" : "sealed";
  return [
    `Made network ${network} in ${where}.`,
    `  nodes reach it at  ${config.url}`,
    `  genesis root       ${genesis}`,
    `  TLS key pin        ${pin}`,
    `  owner's approver   ${config.approver}`,
    `  keys               ${kept}; back up this directory, nothing else can restore them`,
    "",
    ...next,
  ].join("\n");
}

async function serve(options: ServeOptions): Promise<void> {
  process.umask(0o077);
  const service = readServiceEnvironment();
  const places = layout(options["state-dir"]);
  const config = readNetworkConfig(places.config);
  if (config === null) {
    throw new Fault("not_found", `there is no network in ${places.network}`, {
      remedy: "make one first: rustynet control init --url https://HOST:8443",
    });
  }
  using _lock = lockFile(
    places.lock,
    "another control server uses this state directory",
    "end the other one first: systemctl stop rustynet-control",
  );
  const custody = readPassphrase({
    credentialsDirectory: service.credentialsDirectory,
    passphraseFile: options["passphrase-file"],
    plain: config.custody === "plain",
  });
  const keys = readKeys(places.network, config.tls, custody);
  makeDirectory(dirname(options.socket), 0o750);
  const { address, port } = splitEndpoint(options.listen ?? config.listen);
  const log = openServiceLog(options);
  const running = await startControl({
    url: config.url,
    hostname: address,
    port,
    socket: options.socket,
    limits: config.limits,
    keys,
    store: await openControlStore(places.database),
    clock,
    random,
    log,
  });
  notifyReady(service.notifySocket);
  const signal = await untilTold();
  log.notice("ending", { signal });
  await running.close();
}

function readKeys(
  directory: string,
  tls: Parameters<typeof readTls>[0],
  custody: Custody,
): ControlKeys {
  const files = filesIn(directory);
  // Where approvers keep their keys on their own machines, none is here.
  const approver = existsSync(files.approverKey)
    ? new SigningSecret(readKeyFile(files.approverKey, "approver", custody))
    : null;
  const control = new SigningSecret(readKeyFile(files.controlKey, "control", custody));
  return { approver, control, ...readTls(tls, files, custody) };
}

const clock: Clock = {
  nowS: () => Math.floor(Date.now() / 1_000),
  monotonicMs: () => performance.now(),
};

const random: Random = (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes));

function openServiceLog(options: ServeOptions): Log {
  return openLog(
    (level, line) => process.stderr.write(`<${journalPriority[level]}>${line}\n`),
    () => Date.now(),
    options["log-level"],
  );
}

function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => resolve(signal));
  });
}
