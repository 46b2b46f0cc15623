/** topologies are the small internets that several tests of the lab begin with. */
import type { Host } from "./host.ts";
import type { Lab } from "./lab.ts";
import type { Switch } from "./switch.ts";

export const dual = { ipv4: "192.0.2.0/24", ipv6: "2001:db8:1::/64" };
export const inner = { ipv4: "10.1.0.0/24", ipv6: "fd00:1::/64" };

/*
 *   alice ──┬── bob
 *          wan
 */
export async function pair(
  lab: Lab,
  prefixes = dual,
): Promise<{ wan: Switch; alice: Host; bob: Host }> {
  const wan = await lab.switch("wan", prefixes);
  const alice = await lab.host("alice", { on: [wan] });
  const bob = await lab.host("bob", { on: [wan] });
  return { wan, alice, bob };
}

/*
 *   inside1 ──┬── nat ──┬── server1
 *   inside2 ──┤         ├── server2
 *            lan       wan
 */
export async function natted(lab: Lab, nat: "port-restricted" | "symmetric") {
  const wan = await lab.switch("wan", dual);
  const lan = await lab.switch("lan", inner);
  const router = await lab.router("nat", { inside: lan, outside: wan, nat });
  const [inside1, inside2] = await lab.hosts(["inside1", "inside2"], { on: [lan] });
  const [server1, server2] = await lab.hosts(["server1", "server2"], { on: [wan] });
  if (!inside1 || !inside2 || !server1 || !server2) throw new Error("a host for each name");
  return { wan, lan, router, inside1, inside2, server1, server2 };
}
