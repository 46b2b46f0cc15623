/**
 * A station is one machine of a lab: a network, a mount and a host name namespace, held by a small
 * process that ends with its creator. It owns how programs get in there, and that they end.
 */
import { join } from "node:path";
import type { Subprocess } from "bun";
import { assert } from "../../src/base/assert.ts";
import { Fault } from "../../src/base/fault.ts";
import { type LabId, labFolder, labName } from "./lab-id.ts";
import { type Finished, LabProcess } from "./lab-process.ts";
import {
  holdToNamespace,
  machineNamespaces,
  membersOf,
  type NamespaceId,
  namespaceOf,
} from "./namespaces.ts";
import { ipBatch } from "./tools.ts";
import { within } from "./wait-for.ts";

/** Another user than root, as systemd would start it: `capabilities` such as `net_admin` are ambient. */
export type RunAs = {
  readonly uid: number;
  readonly gid: number;
  readonly capabilities?: readonly string[];
};

export type SpawnOptions = {
  /** The whole environment: nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly as?: RunAs;
  /** A file of the machine that all output is appended to. */
  readonly logFile?: string;
};

export type RunOptions = SpawnOptions & { readonly timeoutMs?: number };

type Holder = Subprocess<"pipe", "pipe", "pipe">;

export class Station {
  readonly name: string;
  /** The name under which ip-netns(8) knows the network namespace. */
  readonly netns: string;
  /** The lab's own folder, which the machine and all hosts see under this path. */
  readonly folder: string;
  readonly net: NamespaceId;
  readonly mnt: NamespaceId;
  readonly #holder: Holder;
  /** Programs that were started and are not known to be inside yet. */
  readonly #entering = new Set<Promise<void>>();
  #isClosing = false;

  private constructor(lab: LabId, name: string, holder: Holder) {
    const [net, mnt] = [namespaceOf(holder.pid, "net"), namespaceOf(holder.pid, "mnt")];
    assert(net !== null && mnt !== null, `the holder of ${name} ended after it was ready`);
    assert(!machineNamespaces("net").has(net), `${name} has a network of its own`);
    assert(!machineNamespaces("mnt").has(mnt), `${name} has mounts of its own`);
    this.name = name;
    this.netns = labName(lab, name);
    this.folder = labFolder(lab);
    this.net = net;
    this.mnt = mnt;
    this.#holder = holder;
  }

  /** Makes all of them at once, with nothing in their networks but a loopback that is down. */
  static async open(lab: LabId, names: readonly string[]): Promise<Station[]> {
    const held = await Promise.allSettled(names.map(hold));
    const failed = held.find((each) => each.status === "rejected");
    const holders = held.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    if (failed !== undefined) {
      for (const holder of holders) holder.kill("SIGKILL");
      throw failed.reason;
    }
    const stations = holders.map((holder, i) => new Station(lab, names[i] ?? "", holder));
    await ipBatch(
      null,
      stations.map(({ netns, holderPid }) => `netns attach ${netns} ${holderPid}`),
    );
    return stations;
  }

  get holderPid(): number {
    return this.#holder.pid;
  }

  /** The argv by which a person's root shell on the machine gets in here. */
  get enterArgv(): readonly string[] {
    return ["/usr/bin/nsenter", "-t", String(this.holderPid), "--net", "--mount", "--uts"];
  }

  /**
   * Starts a program, by its absolute path, with an empty environment in `/`. It is killed when this
   * process dies. Resolves once it is inside; throws Fault `permission_denied` if it is not.
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<LabProcess> {
    assert(argv[0]?.startsWith("/"), `a program is named by its absolute path: ${argv[0]}`);
    if (this.#isClosing) throw new Fault("busy", `the lab of ${this.name} is being closed`);
    const child = Bun.spawn({
      cmd: [...this.enterArgv, "--", ...privileges(options.as), "--", ...argv],
      cwd: "/",
      env: { ...options.env },
      stdin: inputBytes(options.stdin),
      stdout: "pipe",
      stderr: "pipe",
      // A session of its own: Ctrl-C reaches the creator alone, which ends things in order.
      detached: true,
    });
    const entered = holdToNamespace(child, this.net);
    this.#entering.add(entered);
    await entered.finally(() => this.#entering.delete(entered));
    return new LabProcess(child, argv, options.logFile);
  }

  /** Runs a program to its end. Throws Fault `timeout` after killing one that takes too long. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const { timeoutMs = 10_000 } = options;
    const running = await this.spawn(argv, options);
    const outcome = await within(running.finished(), timeoutMs);
    if (outcome !== "late") return outcome;
    running.kill("SIGKILL");
    const { stdout, stderr } = await running.finished();
    const command = `${argv.join(" ")} on ${this.name}`;
    throw new Fault("timeout", `${command} took over ${timeoutMs} ms:\n${stdout}${stderr}`);
  }

  /** Like run, but returns what the program wrote, and throws Fault unless it succeeds. */
  async output(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { exitCode, signal, stdout, stderr } = await this.run(argv, options);
    if (exitCode === 0) return stdout;
    const how = signal ?? `exit code ${exitCode}`;
    throw new Fault("host_failed", `${argv.join(" ")} on ${this.name}: ${how}\n${stderr}${stdout}`);
  }

  /** Starts nothing any more, and resolves once what was started is inside, where it can be found. */
  async seal(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#entering);
  }

  /** Lets go of the namespaces. What runs in them must have ended: see endProcesses. */
  async release(): Promise<void> {
    void this.#holder.stdin.end();
    await this.#holder.exited;
  }
}

/** Every process in the stations but their holders, whoever started it. */
export function processesOf(stations: readonly Station[]): number[] {
  const holders = new Set(stations.map((station) => station.holderPid));
  const namespaces = new Set(stations.flatMap((station) => [station.net, station.mnt]));
  return membersOf(namespaces).filter((pid) => !holders.has(pid));
}

const privileges = (as: RunAs | undefined): string[] => [
  "/usr/bin/setpriv",
  ...["--pdeathsig", "KILL"],
  ...(as === undefined ? [] : identity(as)),
];

function identity({ uid, gid, capabilities = [] }: RunAs): string[] {
  const set = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
  const ids = ["--reuid", String(uid), "--regid", String(gid), "--clear-groups"];
  return [...ids, "--inh-caps", set, "--ambient-caps", set, "--bounding-set", set];
}

function inputBytes(stdin: string | Uint8Array | undefined): "ignore" | Uint8Array<ArrayBuffer> {
  if (stdin === undefined) return "ignore";
  return typeof stdin === "string" ? new TextEncoder().encode(stdin) : new Uint8Array(stdin);
}

/** Starts the process that makes and holds the namespaces, and waits until they are furnished. */
async function hold(name: string): Promise<Holder> {
  const own = (kind: "net" | "mnt"): string => namespaceOf("self", kind) ?? "";
  const script = join(import.meta.dir, "programs/hold.sh");
  const holder = Bun.spawn({
    cmd: [
      ...["/usr/bin/unshare", "--net", "--mount", "--uts", "--"],
      ...["/bin/sh", script, own("net"), own("mnt"), name],
    ],
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  // A lab that nobody closed does not keep its creator from ending.
  holder.unref();
  const first = await holder.stdout.getReader().read();
  if (!first.done) return holder;
  const why = await new Response(holder.stderr).text();
  throw new Fault("host_failed", `could not make the namespaces of ${name}: ${why.trim()}`, {
    remedy: "run as root on a kernel with namespaces and overlayfs",
  });
}
