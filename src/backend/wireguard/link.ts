/** link claims the network interface of a tunnel: makes it, or takes over what an earlier run left. */
import { Fault } from "../../base/fault.ts";
import { protocol } from "../../kernel/netlink.ts";
import { findLink, type Link, removeLink, setLink } from "../../kernel/rtnetlink-links.ts";
import type { TunnelKey } from "../../model/keys.ts";
import type { InterfaceName } from "../../model/names.ts";
import type { RuntimeContext } from "../contract.ts";
import type { Device, DeviceSettings } from "./device.ts";
import { gone, withNetlink } from "./faults.ts";
import { becomesTrue } from "./poll.ts";

/** The link's alias, by which we know our own (`ip link show` prints it). */
export const ownerMark = "rustynet tunnel";

const portReleaseMaxMs = 1_000;

/**
 * Leaves a link of that name that is ours and has these settings, or throws and leaves all as it was.
 * Returns the peers that it came with.
 */
export async function claimLink(
  device: Device,
  context: RuntimeContext,
  key: TunnelKey,
): Promise<Iterable<TunnelKey>> {
  const name = context.interface;
  const found = find(name);
  if (found === null) return create(device, context);
  if (found.alias !== ownerMark) throw foreign(found);
  if (found.kind === device.linkKind && (await device.isReachable(name)))
    return takeOver(device, context, key, found);
  // Ours, but of the other kind of device, or its program is gone: of no use to anybody.
  await end(device, name, found);
  return create(device, context);
}

/** Removes the link if it is still there and still ours. */
export async function releaseLink(device: Device, name: InterfaceName): Promise<void> {
  const found = find(name);
  if (found !== null && found.alias !== ownerMark) throw foreign(found);
  if (found === null) await device.awaitEnd(name);
  else await end(device, name, found);
}

async function create(device: Device, context: RuntimeContext): Promise<Iterable<TunnelKey>> {
  const { interface: name, tunnelSecret: secret, listenPort, mark, mtuBytes } = context;
  await refuseTakenPort(listenPort);
  await device.create(name);
  const link = find(name);
  if (link === null) throw gone(`${name} vanished right after it was made`);
  try {
    change(link, { alias: ownerMark, mtuBytes });
    await device.write(name, { settings: { secret, listenPort, mark }, peers: [] });
    return [];
  } catch (fault) {
    await end(device, name, link);
    throw fault;
  }
}

async function takeOver(device: Device, context: RuntimeContext, key: TunnelKey, link: Link) {
  const { tunnelSecret: secret, listenPort, mark, mtuBytes } = context;
  const actual = await device.read(context.interface);
  if (actual.listenPort !== listenPort) await refuseTakenPort(listenPort);
  // Only what differs: setting a port, even to the same, can close the socket for a moment.
  const settings: DeviceSettings = {
    ...(actual.key === key ? {} : { secret }),
    ...(actual.listenPort === listenPort ? {} : { listenPort }),
    ...(actual.mark === mark ? {} : { mark }),
  };
  if (link.mtuBytes !== mtuBytes) change(link, { mtuBytes });
  try {
    await device.write(context.interface, { settings, peers: [] });
    return actual.peers.keys();
  } catch (fault) {
    change(link, { mtuBytes: link.mtuBytes });
    throw fault;
  }
}

const find = (name: InterfaceName): Link | null =>
  withNetlink(protocol.route, (netlink) => findLink(netlink, name));

function change(link: Link, to: Parameters<typeof setLink>[2]): void {
  withNetlink(protocol.route, (netlink) => setLink(netlink, link, to));
}

async function end(device: Device, name: InterfaceName, link: Link): Promise<void> {
  withNetlink(protocol.route, (netlink) => removeLink(netlink, link));
  await device.awaitEnd(name);
}

/**
 * A device binds its port only when its link comes up, and one in user space fails then silently. A
 * program that is just ending may hold the port a little longer than its link, hence the patience.
 */
async function refuseTakenPort(port: number): Promise<void> {
  if (await becomesTrue(() => isPortFree(port), portReleaseMaxMs)) return;
  throw new Fault("backend_internal", `UDP port ${port} is taken by another program`, {
    remedy: `see who has it (ss -lunp sport = :${port}), or choose another port`,
  });
}

async function isPortFree(port: number): Promise<boolean> {
  try {
    (await Bun.udpSocket({ port, hostname: "0.0.0.0" })).close();
    return true;
  } catch (error) {
    // A refusal of another kind, as for a low port, says nothing about the device, which may have it.
    return !(error instanceof Error && "code" in error && error.code === "EADDRINUSE");
  }
}

function foreign(link: Link): Fault {
  const message = `there is an interface ${link.name} that is not ours`;
  const remedy = `if nobody needs it, remove it: ip link delete ${link.name}`;
  return new Fault("backend_unavailable", message, { remedy });
}
