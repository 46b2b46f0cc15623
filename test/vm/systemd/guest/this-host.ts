/** this-host is the guest as its administrator has it before them: commands, units, and a transcript of it all. */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { assert } from "../../../../src/base/assert.ts";
import { Status } from "../../../../src/wire/local-api.ts";
import { waitFor } from "../../../lab/wait-for.ts";
import { visitResults } from "../places.ts";

export type Outcome = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

const transcript = join(visitResults, "transcript.txt");
const limitMs = 180_000;
/** Join tokens and custody keys are secrets, also in an artifact. */
const hidden = /(?<=^rnjoin1\.)\S+|^[0-9a-f]{64}$/gm;

/** On the console too, which is there even when the guest hangs. */
function note(words: string): void {
  for (const path of [transcript, "/dev/console"]) appendFileSync(path, words);
}

/** Runs a command with the environment of a login, and writes down what it said. */
export async function attempt(argv: readonly string[], stdin = ""): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    ...{ stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe", timeout: limitMs, cwd: "/root" },
    env: { PATH: process.env["PATH"] ?? "", HOME: "/root" },
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  const words = `# ${argv.join(" ")}\n${stdout}${stderr}${exitCode === 0 ? "" : `exit ${exitCode}\n`}`;
  note(words.replaceAll(hidden, "…"));
  return { exitCode, stdout, stderr };
}

/** Runs a command that is to succeed, and returns what it printed. */
export async function say(command: string, stdin = ""): Promise<string> {
  const { exitCode, stdout, stderr } = await attempt(command.split(" "), stdin);
  assert(exitCode === 0, `${command} ended with ${exitCode}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** What systemd knows of a unit. */
export const property = (unit: string, name: string): Promise<string> =>
  say(`systemctl show --value --property=${name} ${unit}`);

export const isActive = async (unit: string): Promise<boolean> =>
  (await attempt(["systemctl", "is-active", unit])).stdout.trim() === "active";

/** The main process of a unit, by proc_pid_status(5). */
export async function processOf(unit: string): Promise<ReadonlyMap<string, string>> {
  const text = readFileSync(`/proc/${await property(unit, "MainPID")}/status`, "utf8");
  return new Map(
    text.split("\n").map((line) => [line.split(":")[0] ?? "", line.split("\t").slice(1).join(" ")]),
  );
}

export const peerSocket = "/run/peer/daemon.sock";

/** The status of this host's node, or of the second one by its socket. */
export async function statusOf(...socket: readonly string[]): Promise<Status> {
  const at = socket.flatMap((path) => ["--socket", path]);
  const { stdout } = await attempt(["rustynet", "status", "--json", ...at]);
  return v.parse(Status, JSON.parse(stdout));
}

/** Waits until both nodes have each other, and returns the second one's address. */
export async function untilMeshed(): Promise<string> {
  const reached = (status: Status): boolean =>
    status.state === "running" && status.peers.some(({ reach }) => reach === "direct");
  await waitFor("this node to have its peer", () => statusOf(), { until: reached, pollMs: 500 });
  const peer = await waitFor("the peer to have this node", () => statusOf(peerSocket), {
    until: reached,
    pollMs: 500,
  });
  return peer.self?.ipv4 ?? "";
}

/** Pings through the tunnel while something is done, and returns how many were sent and answered. */
export async function pingWhile(
  address: string,
  action: () => Promise<unknown>,
): Promise<{ readonly sent: number; readonly answered: number }> {
  const ping = Bun.spawn(["ping", "-n", "-i", "0.2", "-W", "5", address], { stdout: "pipe" });
  const output = ping.stdout.text();
  await action();
  ping.kill("SIGINT");
  const [, sent, answered] = /(\d+) packets transmitted, (\d+) received/.exec(await output) ?? [];
  note(`# ping ${address} meanwhile: ${sent} sent, ${answered} answered\n`);
  return { sent: Number(sent), answered: Number(answered) };
}
