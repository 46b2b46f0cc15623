/**
 * network-monitor tells when the host's links, addresses, routes or our packet filter change, and
 * keeps nothing.
 */
import { Fault } from "../base/fault.ts";
import {
  NetlinkError,
  type NetlinkProtocol,
  openNotifications,
  protocol,
} from "../kernel/netlink.ts";
import type { Message } from "../kernel/netlink-message.ts";
import { nftablesGroup, tableOfNotification } from "../kernel/nftables-notification.ts";
import { routeGroup, routeMessage } from "../kernel/rtnetlink.ts";
import { filterTable } from "./filter-ruleset.ts";

/** What changed. `lost`: some changes were missed, so anything may have. */
export type NetworkChange = "link" | "address" | "route" | "filter" | "lost";

export type NetworkMonitor = { readonly close: () => void };

type Source = {
  readonly protocol: NetlinkProtocol;
  readonly groups: number;
  /** Null for news that is none of ours. */
  readonly changeOf: (message: Message) => NetworkChange | null;
};

const reopenAfterMs = 1_000;

const kindOf: Readonly<Record<number, NetworkChange>> = {
  [routeMessage.newLink]: "link",
  [routeMessage.removeLink]: "link",
  [routeMessage.newAddress]: "address",
  [routeMessage.removeAddress]: "address",
  [routeMessage.newRoute]: "route",
  [routeMessage.removeRoute]: "route",
};

const sourcesBut = (ownFilterPort: number | null): readonly Source[] => [
  {
    protocol: protocol.route,
    groups: Object.values(routeGroup).reduce((all, group) => all | group, 0),
    changeOf: ({ type }) => kindOf[type] ?? null,
  },
  // Any reload of the host's own firewall may flush ours with it, and the tunnel then stands open.
  {
    protocol: protocol.netfilter,
    groups: nftablesGroup,
    changeOf: (message) =>
      message.port !== ownFilterPort && tableOfNotification(message) === filterTable.name
        ? "filter"
        : null,
  },
];

/**
 * Calls `onChange` for each change, ours included, but for those that the filter with this port made;
 * several may come at once. When the kernel could not keep up, the monitor listens anew and then says
 * `lost`, so that a look after it misses nothing.
 * Throws Fault `host_failed` when it cannot listen at first.
 */
export async function openNetworkMonitor(
  onChange: (change: NetworkChange) => void,
  ownFilterPort: number | null = null,
): Promise<NetworkMonitor> {
  const opened: NetworkMonitor[] = [];
  const close = () => {
    for (const monitor of opened) monitor.close();
  };
  try {
    for (const source of sourcesBut(ownFilterPort))
      opened.push(await openMonitor(source, onChange));
  } catch (error) {
    close();
    if (!(error instanceof NetlinkError)) throw error;
    throw new Fault("host_failed", `cannot watch the network: ${error.message}`, { cause: error });
  }
  return { close };
}

async function openMonitor(
  { protocol: kind, groups, changeOf }: Source,
  onChange: (change: NetworkChange) => void,
): Promise<NetworkMonitor> {
  let current: NetworkMonitor | null = null;
  let isClosed = false;

  const listen = async () => {
    const opened = await openNotifications(kind, groups, {
      message(message) {
        const change = isClosed ? null : changeOf(message);
        if (change !== null) onChange(change);
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

  await listen();
  return {
    close() {
      isClosed = true;
      current?.close();
    },
  };
}
