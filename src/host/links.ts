/** links says whether an interface is there and up, and takes it up or down. */
import { setLink } from "../kernel/rtnetlink-links.ts";
import type { InterfaceName } from "../model/names.ts";
import type { RouteSocket } from "./route-socket.ts";

/** Throws Fault `host_failed`. */
export function readLinkState(socket: RouteSocket, name: InterfaceName): "absent" | "down" | "up" {
  const link = socket.findLink(name);
  if (link === null) return "absent";
  return link.isUp ? "up" : "down";
}

/**
 * Taking a link down makes the kernel forget its routes and, of IPv6, its addresses. Throws Fault
 * `host_failed`, also when the tunnel's port turns out to be taken: it is bound only now.
 */
export function setLinkUp(socket: RouteSocket, name: InterfaceName, isUp: boolean): void {
  const link = socket.getLink(name);
  const direction = isUp ? "up" : "down";
  socket.ask(`take ${name} ${direction}`, (netlink) => setLink(netlink, link, { isUp }));
}
