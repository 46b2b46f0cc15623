/** faults turns what the kernel refuses into the contract's own kinds of fault. */
import { Fault } from "../../base/fault.ts";
import {
  isNetlinkError,
  Netlink,
  NetlinkError,
  type NetlinkProtocol,
} from "../../kernel/netlink.ts";

/** Opens a netlink socket for one use. Throws Fault `backend_*`. */
export function withNetlink<T>(kind: NetlinkProtocol, use: (netlink: Netlink) => T): T {
  let netlink: Netlink | null = null;
  try {
    netlink = new Netlink(kind);
    return use(netlink);
  } catch (error) {
    throw error instanceof NetlinkError ? faultOf(error) : error;
  } finally {
    netlink?.close();
  }
}

function faultOf(cause: NetlinkError): Fault {
  const { message } = cause;
  if (isNetlinkError(cause, "noDevice")) return gone(message, cause);
  if (isNetlinkError(cause, "notPermitted") || isNetlinkError(cause, "accessDenied"))
    return new Fault("backend_internal", message, {
      cause,
      remedy: "run the daemon with the capability CAP_NET_ADMIN, as its systemd unit does",
    });
  return new Fault("backend_internal", message, { cause });
}

/** The device is not there, or no longer. */
export function gone(message: string, cause?: unknown): Fault {
  const remedy = "the device was removed from outside: shut the backend down and start it again";
  return new Fault("backend_not_running", message, { cause, remedy });
}
