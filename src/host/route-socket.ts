/** route-socket is the way to the host's links, addresses and routes, with refusals as Fault. */
import { Fault } from "../base/fault.ts";
import { isNetlinkError, Netlink, NetlinkError, protocol } from "../kernel/netlink.ts";
import { findLink, type Link } from "../kernel/rtnetlink-links.ts";
import type { InterfaceName } from "../model/names.ts";

/** Speaks to the network namespace in which it was opened. All calls block for microseconds. */
export class RouteSocket {
  readonly #netlink: Netlink;

  constructor() {
    this.#netlink = attempt("open a route socket", () => new Netlink(protocol.route));
  }

  /** Lends the socket. Throws Fault `host_failed` for what the kernel refuses. */
  ask<T>(what: string, use: (netlink: Netlink) => T): T {
    return attempt(what, () => use(this.#netlink));
  }

  /** Returns null when there is no interface of that name. */
  findLink(name: InterfaceName): Link | null {
    return this.ask(`look for ${name}`, (netlink) => findLink(netlink, name));
  }

  /** Throws Fault `host_failed` when there is no interface of that name. */
  getLink(name: InterfaceName): Link {
    const link = this.findLink(name);
    if (link !== null) return link;
    throw new Fault("host_failed", `there is no interface ${name}`, {
      remedy: "somebody removed it: the daemon makes it anew when it next looks, or restart it",
    });
  }

  close(): void {
    this.#netlink.close();
  }
}

function attempt<T>(what: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    const message = `cannot ${what}: ${error.message}`;
    const isForbidden = isNetlinkError(error, "notPermitted");
    const options = isForbidden
      ? { cause: error, remedy: "run the daemon with the capability CAP_NET_ADMIN" }
      : { cause: error };
    throw new Fault("host_failed", message, options);
  }
}
