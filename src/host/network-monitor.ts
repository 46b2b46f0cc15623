/** network-monitor tells when the host's links, addresses or routes change, and keeps nothing. */
import { Fault } from "../base/fault.ts";
import { NetlinkError, openNotifications, protocol } from "../kernel/netlink.ts";
import { routeGroup, routeMessage } from "../kernel/rtnetlink.ts";

/** What changed. `lost`: some changes were missed, so anything may have. */
export type NetworkChange = "link" | "address" | "route" | "lost";

export type NetworkMonitor = { readonly close: () => void };

const groups = Object.values(routeGroup).reduce((all, group) => all | group, 0);
const reopenAfterMs = 1_000;

const kindOf: Readonly<Record<number, NetworkChange>> = {
  [routeMessage.newLink]: "link",
  [routeMessage.removeLink]: "link",
  [routeMessage.newAddress]: "address",
  [routeMessage.removeAddress]: "address",
  [routeMessage.newRoute]: "route",
  [routeMessage.removeRoute]: "route",
};

/**
 * Calls `onChange` for each change, ours included; several may come at once. When the kernel could
 * not keep up, the monitor listens anew and then says `lost`, so that a look after it misses nothing.
 * Throws Fault `host_failed` when it cannot listen at first.
 */
export async function openNetworkMonitor(
  onChange: (change: NetworkChange) => void,
): Promise<NetworkMonitor> {
  let current: NetworkMonitor | null = null;
  let isClosed = false;

  const listen = async () => {
    const opened = await openNotifications(protocol.route, groups, {
      message({ type }) {
        const kind = kindOf[type];
        if (kind !== undefined && !isClosed) onChange(kind);
      },
      lost: () => void listenAnew(),
    });
    if (isClosed) opened.close();
    else current = opened;
  };

  const listenAnew = async () => {
    while (!isClosed) {
      try {
        await listen();
        if (!isClosed) onChange("lost");
        return;
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error;
        // Only a lack of descriptors or memory stops it, and that passes.
        await Bun.sleep(reopenAfterMs);
      }
    }
  };

  await listen().catch((error: unknown) => {
    if (!(error instanceof NetlinkError)) throw error;
    throw new Fault("host_failed", `cannot watch the network: ${error.message}`, { cause: error });
  });
  return {
    close() {
      isClosed = true;
      current?.close();
    },
  };
}
