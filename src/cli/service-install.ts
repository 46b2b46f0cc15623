/**
 * service-install puts a service on a host and takes it away again. Everything it does may be done
 * twice; what it wrote is in a record, and only that is removed.
 */
import * as v from "valibot";
import { encodeHex, encodeUtf8, equalBytes } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import { version } from "../base/version.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import type { Host, Outcome } from "./service-host.ts";
import {
  binaryPath,
  custodyPath,
  type CustodyForm,
  hostKeyPath,
  otherService,
  type Program,
  program,
  programsAfter,
  recordPath,
  sealArgv,
  serviceFiles,
  type ServiceName,
  services,
} from "./service-plan.ts";

/** One thing that was done, or with a dry run would be. */
export type Deed = {
  readonly action: "write" | "keep" | "remove" | "run" | "leave";
  readonly what: string;
  /** What a program said, or why something was kept. */
  readonly detail?: string;
};

export type InstallOptions = {
  readonly name: ServiceName;
  readonly url: ControlUrl | null;
  readonly isStarted: boolean;
  readonly isDryRun: boolean;
};

const Record = v.strictObject({
  version: v.string(),
  files: v.array(v.strictObject({ path: v.string(), sha256: v.string() })),
});
type Record = v.InferOutput<typeof Record>;

export async function install(host: Host, options: InstallOptions): Promise<readonly Deed[]> {
  const { name, url, isDryRun } = options;
  const form = custodyForm(host, name);
  const deeds: Deed[] = [];
  const files = [...binaryFile(host), ...serviceFiles(name, form).map(encodeFile)];
  for (const file of files) deeds.push(place(host, file, isDryRun));
  deeds.push(await placeCustodyKey(host, name, form, isDryRun));
  const hasChanged = deeds.some(({ action }) => action === "write");
  if (!isDryRun) writeRecord(host, name, files);
  const start = { isWanted: options.isStarted, hasChanged };
  for (const each of programsAfter(name, form, url, start))
    deeds.push(await runProgram(host, each, isDryRun));
  return deeds;
}

type File = { readonly path: string; readonly mode: number; readonly bytes: Uint8Array };

const encodeFile = ({ path, mode, text }: ReturnType<typeof serviceFiles>[number]): File => ({
  path,
  mode,
  bytes: encodeUtf8(text),
});

/** Nothing when the program already runs from its place, which then is not ours to remove. */
function binaryFile(host: Host): readonly File[] {
  if (host.program.path === binaryPath) return [];
  return [{ path: binaryPath, mode: 0o755, bytes: readProgram(host) }];
}

function readProgram({ program: { path, isBuilt }, readProgramFile }: Host): Uint8Array {
  if (isBuilt) return readProgramFile();
  throw new Fault("usage", `${path} is not the built program`, {
    remedy:
      "build it and run that: scripts/build, then artifacts/build/rustynet-linux-… service install",
  });
}

function place(host: Host, { path, mode, bytes }: File, isDryRun: boolean): Deed {
  const present = host.read(path);
  if (present !== null && equalBytes(present, bytes) && host.mode(path) === mode)
    return { action: "keep", what: path, detail: "it is as it should be" };
  if (!isDryRun) host.write(path, bytes, mode);
  return { action: "write", what: path };
}

/** A key that is there is never replaced: what it seals could not be opened any more. */
function custodyForm(host: Host, name: ServiceName): CustodyForm {
  if (host.exists(custodyPath(name, "sealed"))) return "sealed";
  if (host.exists(custodyPath(name, "plain"))) return "plain";
  const canSeal = host.runsPrograms && host.exists(program.creds) && host.exists(hostKeyPath);
  return canSeal ? "sealed" : "plain";
}

const custodySizeBytes = 32;
const custodyMode = 0o600;

async function placeCustodyKey(
  host: Host,
  name: ServiceName,
  form: CustodyForm,
  isDryRun: boolean,
): Promise<Deed> {
  const path = custodyPath(name, form);
  if (host.exists(path)) return { action: "keep", what: path, detail: "it opens this host's keys" };
  if (!isDryRun) host.write(path, await custodyBytes(host, form), custodyMode);
  const detail = form === "sealed" ? "sealed with the key of this host" : "for root alone";
  return { action: "write", what: path, detail };
}

/** As text, so that no byte of it can be taken for the end of a line. */
async function custodyBytes(host: Host, form: CustodyForm): Promise<Uint8Array> {
  const random = crypto.getRandomValues(new Uint8Array(custodySizeBytes));
  const secret = new Secret(encodeUtf8(encodeHex(random)));
  random.fill(0);
  if (form === "plain") return secret.expose((bytes) => bytes.slice());
  const outcome = await secret.expose((bytes) => host.run(sealArgv, bytes));
  secret.wipe();
  // What it says besides the sealed key goes to its standard error.
  if (outcome.exitCode === 0 && outcome.stdout !== "") return encodeUtf8(outcome.stdout);
  throw programFault(sealArgv, wordsOf(outcome));
}

function writeRecord(host: Host, name: ServiceName, files: readonly File[]): void {
  // A program that runs from its place was perhaps put there by us, earlier.
  const before = readRecord(host, name)?.files ?? [];
  const kept = before.filter(({ path }) => files.every((file) => file.path !== path));
  const now = files.map(({ path, bytes }) => ({ path, sha256: sha256(bytes) }));
  const record: Record = { version, files: [...now, ...kept] };
  host.write(recordPath(name), encodeUtf8(`${JSON.stringify(record, null, 2)}\n`), 0o644);
}

function readRecord(host: Host, name: ServiceName): Record | null {
  const bytes = host.read(recordPath(name));
  if (bytes === null) return null;
  try {
    return v.parse(Record, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new Fault("store_corrupt", `${recordPath(name)} cannot be read`, {
      cause,
      remedy: `write it anew: rustynet service install ${name}`,
    });
  }
}

const sha256 = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

async function runProgram(
  host: Host,
  { argv, saysInto }: Program,
  isDryRun: boolean,
): Promise<Deed> {
  const what = argv.join(" ");
  if (!host.runsPrograms) return { action: "leave", what };
  if (isDryRun) return { action: "run", what };
  const outcome = await host.run(argv);
  const words = (saysInto === undefined ? "" : takeWords(host, saysInto)) || wordsOf(outcome);
  if (outcome.exitCode !== 0) throw programFault(argv, words);
  return { action: "run", what, ...(words === "" ? {} : { detail: words }) };
}

function takeWords(host: Host, path: string): string {
  const bytes = host.read(path);
  host.remove(path);
  return bytes === null ? "" : new TextDecoder().decode(bytes).trim();
}

const wordsOf = ({ stdout, stderr }: Outcome): string => `${stdout}${stderr}`.trim();

function programFault(argv: readonly string[], said: string): Fault {
  const words = said.replaceAll(/\s*\n\s*/g, "; ");
  return new Fault(
    "host_failed",
    `${argv.join(" ")} failed: ${words === "" ? "no reason given" : words}`,
    {
      remedy: "mend that and run this command again: what is done already is kept",
    },
  );
}

const spoken = { daemon: "daemon", control: "control server" } as const;

export type UninstallOptions = {
  readonly name: ServiceName;
  /** State, keys and custody key go too. */
  readonly isPurge: boolean;
  readonly isDryRun: boolean;
};

export async function uninstall(host: Host, options: UninstallOptions): Promise<readonly Deed[]> {
  const { name, isPurge, isDryRun } = options;
  const record = readRecord(host, name);
  if (record === null)
    throw new Fault("not_found", `no ${spoken[name]} was installed by this program`, {
      remedy: "what was set up by hand is taken away by hand",
    });
  const { unit, stateFolder, runtimeFolder } = services[name];
  const deeds = [...(name === "daemon" ? [await tearDown(host, isDryRun)] : [])];
  deeds.push(
    await runProgram(host, { argv: [program.systemctl, "disable", "--now", unit] }, isDryRun),
  );
  for (const file of record.files) deeds.push(removeFile(host, name, file, isDryRun));
  deeds.push(await runProgram(host, { argv: [program.systemctl, "daemon-reload"] }, isDryRun));
  const custody = [custodyPath(name, "plain"), custodyPath(name, "sealed")];
  for (const path of [stateFolder, runtimeFolder, ...custody])
    if (host.exists(path)) deeds.push(removeState(host, path, isPurge, isDryRun));
  if (!isDryRun) {
    host.remove(recordPath(name));
    host.removeIfEmpty("/etc/rustynet");
  }
  return deeds;
}

/** The tunnel and its filter outlive the daemon on purpose, so it is told to take them away first. */
async function tearDown(host: Host, isDryRun: boolean): Promise<Deed> {
  const argv = [binaryPath, "down"];
  const what = argv.join(" ");
  if (!host.runsPrograms) return { action: "leave", what };
  if (isDryRun) return { action: "run", what };
  const outcome = await host.run(argv);
  // A daemon that does not run cannot be told, which is no reason to keep its files.
  const detail = outcome.exitCode === 0 ? "" : `the daemon was not told: ${wordsOf(outcome)}`;
  return { action: "run", what, ...(detail === "" ? {} : { detail }) };
}

function removeFile(
  host: Host,
  name: ServiceName,
  { path, sha256: written }: Record["files"][number],
  isDryRun: boolean,
): Deed {
  const present = host.read(path);
  if (present === null) return { action: "keep", what: path, detail: "it is gone already" };
  if (path === binaryPath && host.exists(recordPath(otherService(name))))
    return { action: "keep", what: path, detail: `the ${spoken[otherService(name)]} needs it` };
  if (path !== binaryPath && sha256(present) !== written)
    return { action: "keep", what: path, detail: "somebody changed it" };
  if (!isDryRun) host.remove(path);
  return { action: "remove", what: path };
}

function removeState(host: Host, path: string, isPurge: boolean, isDryRun: boolean): Deed {
  if (!isPurge) return { action: "keep", what: path, detail: "--purge removes it too" };
  if (!isDryRun) host.remove(path);
  return { action: "remove", what: path };
}
