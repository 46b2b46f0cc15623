/** kernel is the device that the kernel itself provides, spoken to over generic netlink. */
import { findFamily } from "../../kernel/generic-netlink.ts";
import { isNetlinkError, type Netlink, NetlinkError, protocol } from "../../kernel/netlink.ts";
import { dump } from "../../kernel/rtnetlink.ts";
import { createLink, removeLink } from "../../kernel/rtnetlink-links.ts";
import type { InterfaceName } from "../../model/names.ts";
import type { Device, DeviceChange, DeviceState } from "./device.ts";
import { gone, withNetlink } from "./faults.ts";
import { decodeDevice } from "./kernel-answer.ts";
import { familyName } from "./kernel-attributes.ts";
import { encodeGetDevice, encodeSetDevice } from "./kernel-request.ts";
import type { Probe } from "./probe.ts";

const linkKind = "wireguard";

export const kernelDevice: Device = {
  name: "kernel",
  linkKind,

  async create(name) {
    withNetlink(protocol.route, (netlink) => createLink(netlink, { name, kind: linkKind }));
  },

  async isReachable() {
    return true;
  },

  async read(name) {
    return withNetlink(protocol.generic, (netlink) => readDevice(netlink, name));
  },

  async write(name, change) {
    withNetlink(protocol.generic, (netlink) => writeDevice(netlink, name, change));
  },

  async awaitEnd() {
    // The kernel answers a removal when it is done.
  },
};

function readDevice(netlink: Netlink, name: InterfaceName): DeviceState {
  const family = familyOrFault(netlink);
  const answers = dump(netlink, `read ${name}`, () => encodeGetDevice(family, name));
  const state = decodeDevice(answers);
  // The answers held the private key, which the decoder needs no more than we do.
  for (const { payload } of answers) payload.fill(0);
  return state;
}

function writeDevice(netlink: Netlink, name: InterfaceName, change: DeviceChange): void {
  const family = familyOrFault(netlink);
  for (const message of encodeSetDevice(family, name, change))
    netlink.request(`configure ${name}`, message);
}

function familyOrFault(netlink: Netlink): number {
  const family = findFamily(netlink, familyName);
  if (family === null) throw gone(`the kernel has no ${familyName} family any more`);
  return family;
}

/**
 * Whether this kernel can make such a device. A family that is not there yet may come with a module,
 * and making a link is what loads it; so one is made under a name of no use to anybody, and removed.
 */
export function probeKernel(scratchName: string): Probe {
  if (withNetlink(protocol.generic, (netlink) => findFamily(netlink, familyName)) !== null)
    return { isAvailable: true };
  try {
    return withNetlink(protocol.route, (netlink) => {
      removeLink(netlink, createLink(netlink, { name: scratchName, kind: linkKind }));
      return { isAvailable: true };
    });
  } catch (error) {
    const refusal = error instanceof Error ? error.cause : null;
    if (!(refusal instanceof NetlinkError)) throw error;
    return {
      isAvailable: false,
      why: isNetlinkError(refusal, "notSupported")
        ? "this kernel has no WireGuard module"
        : `a tunnel device of the kernel cannot be made: ${refusal.message}`,
      remedy: isNetlinkError(refusal, "notSupported")
        ? "boot a kernel with the module wireguard (Linux 5.6 or newer has it; in a container, load it on the host: modprobe wireguard)"
        : "run the daemon with the capability CAP_NET_ADMIN, as its systemd unit does",
    };
  }
}
