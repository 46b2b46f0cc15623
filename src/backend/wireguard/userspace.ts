/**
 * userspace is the device that a program outside the kernel provides. The program is started apart
 * from the daemon, so that the tunnel outlives a crash of it, and ends when its link is removed.
 */
import { accessSync, constants } from "node:fs";
import { Fault } from "../../base/fault.ts";
import { protocol } from "../../kernel/netlink.ts";
import { findLink } from "../../kernel/rtnetlink-links.ts";
import type { InterfaceName } from "../../model/names.ts";
import type { Device, DeviceChange } from "./device.ts";
import { gone, withNetlink } from "./faults.ts";
import { becomesTrue } from "./poll.ts";
import type { Probe } from "./probe.ts";
import { decodeGetAnswer, decodeSetAnswer, type UapiRejection } from "./uapi-answer.ts";
import { encodeSetRequest, getRequest } from "./uapi-request.ts";
import { askSocket } from "./userspace-socket.ts";

export type UserspacePlaces = {
  /** The program's absolute path. */
  readonly program: string;
  /** Where the program makes its sockets: built into it, not chosen by us. */
  readonly socketDirectory: string;
};

export const defaultPlaces: UserspacePlaces = {
  program: "/usr/bin/wireguard-go",
  socketDirectory: "/var/run/wireguard",
};

const startMaxMs = 5_000;
const endMaxMs = 5_000;
const tunDevice = "/dev/net/tun";

export function userspaceDevice(places: UserspacePlaces): Device {
  const socketOf = (name: InterfaceName) => `${places.socketDirectory}/${name}.sock`;
  const answers = (name: InterfaceName) => isAnswering(socketOf(name));
  return {
    name: "userspace",
    linkKind: "tun",
    async create(name) {
      // An earlier program may still be ending, and would take the new one's socket with it.
      await awaitSilence(name, socketOf(name));
      await startProgram(places.program, name, () => answers(name));
    },
    isReachable: answers,
    async read(name) {
      const answer = await askSocket(socketOf(name), getRequest);
      const state = decodeGetAnswer(answer);
      answer.fill(0);
      if (!state.ok) throw refusal(`read ${name}`, state.error);
      // The program outlives its link by a moment, and goes on answering.
      if (withNetlink(protocol.route, (netlink) => findLink(netlink, name)) === null)
        throw gone(`${name} was removed`);
      return state.value;
    },
    write: (name, change) => writeDevice(name, socketOf(name), change),
    awaitEnd: (name) => awaitSilence(name, socketOf(name)),
  };
}

async function writeDevice(name: string, socket: string, change: DeviceChange): Promise<void> {
  const request = encodeSetRequest(change);
  try {
    const rejection = decodeSetAnswer(await askSocket(socket, request));
    if (rejection !== null) throw refusal(`configure ${name}`, rejection);
  } finally {
    request.fill(0);
  }
}

/** Whether a userspace device can be made here. */
export function probeUserspace({ program }: UserspacePlaces): Probe {
  if (!isAccessible(program, constants.X_OK))
    return {
      isAvailable: false,
      why: `there is no program ${program}`,
      remedy: "apt-get install wireguard-go",
    };
  if (!isAccessible(tunDevice, constants.R_OK | constants.W_OK))
    return {
      isAvailable: false,
      why: `${tunDevice} cannot be opened`,
      remedy: `modprobe tun; chmod 0666 ${tunDevice}`,
    };
  return { isAvailable: true };
}

async function startProgram(
  program: string,
  name: InterfaceName,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const child = spawnApart(program, name);
  child.unref();
  const isDone = async () => child.exitCode !== null || child.signalCode !== null || isReady();
  const isInTime = await becomesTrue(isDone, startMaxMs);
  if (isInTime && child.exitCode === null && child.signalCode === null) return;
  child.kill();
  const how = isInTime ? `ended with code ${child.exitCode}` : `was not ready in ${startMaxMs} ms`;
  throw new Fault("backend_internal", `${program} ${how}`, {
    remedy: `run it by hand to read what it says: ${program} -f ${name}`,
  });
}

/** In a session of its own and without our files, so that nothing of us ends it. */
function spawnApart(program: string, name: InterfaceName) {
  try {
    return Bun.spawn([program, "-f", name], {
      env: {},
      cwd: "/",
      stdio: ["ignore", "ignore", "ignore"],
      detached: true,
    });
  } catch (cause) {
    throw new Fault("backend_unavailable", `${program} cannot be started`, {
      cause,
      remedy: "apt-get install wireguard-go",
    });
  }
}

async function awaitSilence(name: string, socket: string): Promise<void> {
  if (await becomesTrue(async () => !(await isAnswering(socket)), endMaxMs)) return;
  throw new Fault("backend_internal", `a program without an interface ${name} holds ${socket}`, {
    remedy: `end the program that listens there: ss -xlp src ${socket}`,
  });
}

async function isAnswering(socket: string): Promise<boolean> {
  try {
    (await askSocket(socket, getRequest)).fill(0);
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function refusal(what: string, rejection: UapiRejection): Fault {
  const why =
    rejection.code === "refused"
      ? `the program refused with error ${rejection.errno}`
      : `the program's answer makes no sense at "${rejection.line}"`;
  return new Fault("backend_internal", `${what}: ${why}`);
}
