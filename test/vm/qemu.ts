/**
 * qemu runs one guest to its end: emulated, so that it needs no right and no other kernel module. The
 * console goes to a file, what the guest says to a callback, and its results to an archive.
 */
import { Fault } from "../../src/base/fault.ts";
import { readLines } from "./lines.ts";
import { guestWord } from "./plan.ts";

export type Guest = {
  readonly kernel: string;
  readonly image: string;
  readonly console: string;
  /** A tar archive, of which a guest that was ended leaves nothing or a part. */
  readonly results: string;
  /** The first one is its root. They stay as they are: what it writes is lost when it ends. */
  readonly disks?: readonly string[];
};

const program = "/usr/bin/qemu-system-x86_64";
const memoryMib = 2_048;

/** No KVM: on machines that are virtual themselves it hangs or is not there, and all have this. */
function machineArgv(guest: Guest, commandLine: string): readonly string[] {
  return [
    ...[program, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", `${memoryMib}M`],
    ...["-nodefaults", "-display", "none", "-kernel", guest.kernel],
    ...["-initrd", guest.image, "-append", commandLine],
    ...["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
    ...["-chardev", `file,id=results,path=${guest.results}`],
    ...["-device", "virtserialport,chardev=results,name=results"],
    ...diskArgv(guest.disks ?? []),
  ];
}

/** A guest without a disk has nothing to come back to: where it would reboot, it ends. */
function diskArgv(disks: readonly string[]): readonly string[] {
  if (disks.length === 0) return ["-no-reboot"];
  return disks.flatMap((path) => ["-drive", `file=${path},format=raw,if=virtio,snapshot=on`]);
}

// A guest whose kernel has failed reboots, which here means that it ends.
const kernelWords = `console=ttyS0 quiet panic=-1 oops=panic ${guestWord}`;
// One that comes back would do so without end: it stays, and its time runs out.
const kernelWordsOfDisk = `console=ttyS0 quiet panic=0 root=/dev/vda rw fsck.mode=skip net.ifnames=0 ${guestWord}`;

/** How the guest ended. */
export type Ending = "by itself" | "late";

/** Boots and reads what the guest says, line by line. Ends a guest that has not ended by the deadline. */
export async function boot(
  guest: Guest,
  deadlineMs: number,
  hear: (line: string) => void,
): Promise<Ending> {
  const child = Bun.spawn(
    [
      ...machineArgv(guest, guest.disks === undefined ? kernelWords : kernelWordsOfDisk),
      ...["-serial", `file:${guest.console}`, "-chardev", "stdio,id=events,signal=off"],
      ...["-device", "virtserialport,chardev=events,name=events"],
    ],
    // An input that ends would hang up on the guest, which would then wait to be heard for ever.
    { stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  );
  const forget = endWithUs(child);
  let ending: Ending = "by itself";
  const timer = setTimeout(() => {
    ending = "late";
    child.kill("SIGKILL");
  }, deadlineMs);
  const words = new Response(child.stderr).text();
  await readLines(child.stdout, hear);
  const exitCode = await child.exited;
  clearTimeout(timer);
  forget();
  if (ending === "by itself" && exitCode !== 0) {
    throw new Fault("unavailable", `${program} ended with ${exitCode}:\n${(await words).trim()}`, {
      remedy: "it needs 2.5 GiB of memory and 1 GiB under artifacts/ and .tools/",
    });
  }
  return ending;
}

/** Boots with the console on the caller's terminal. Ctrl-A X ends the machine at once. */
export async function bootOnTerminal(guest: Guest): Promise<void> {
  const child = Bun.spawn(
    [
      ...machineArgv(guest, `${kernelWords} rustynet.mode=shell`),
      ...["-chardev", "stdio,id=terminal,mux=on,signal=off"],
      ...["-serial", "chardev:terminal", "-mon", "chardev=terminal"],
    ],
    { stdio: ["inherit", "inherit", "inherit"] },
  );
  const forget = endWithUs(child);
  await child.exited;
  forget();
}

/** A guest does not outlive the program that started it. */
function endWithUs(child: Bun.Subprocess): () => void {
  const end = (): void => {
    child.kill("SIGKILL");
    process.exit(130);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}
