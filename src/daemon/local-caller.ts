/** local-caller says what a process at the local socket may do, by the credentials the kernel vouches for. */
import * as fs from "node:fs";
import type { PeerCredentials } from "../kernel/peer-http.ts";
import type { LocalAuthority } from "../wire/local-api.ts";

/** Members may look, not change (docs/operations/install.md). */
const readersGroup = "rustynet";

/** Root and the daemon's own user change; the group looks; nobody else is let in. */
export function identifyCaller(peer: PeerCredentials): LocalAuthority | null {
  if (peer.uid === 0 || peer.uid === process.getuid?.()) return "change";
  const readers = groupId(readersGroup);
  const isReader = readers !== null && (peer.gid === readers || peer.groups.includes(readers));
  return isReader ? "read" : null;
}

/** Read each time: groups change while the daemon runs. Null when there is no such group. */
function groupId(name: string): number | null {
  const line = fs
    .readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const id = line?.split(":")[2];
  return id === undefined || !/^\d+$/.test(id) ? null : Number(id);
}
