/** router turns a host with two links into a router, with or without address translation. */
import type { Host } from "./host.ts";

/**
 * `port-restricted` keeps the inner port where it can, so that the mapping is the same towards
 * everybody; `symmetric` takes a random port for each destination. Both let nothing in but answers.
 * They translate IPv6 too, since the outside has no route to the prefixes inside.
 */
export type Nat = "none" | "port-restricted" | "symmetric";

/** `host` has its inside on eth0 and its outside on eth1. */
export async function startRouting(host: Host, nat: Nat): Promise<void> {
  await host.sysctl({
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    // It takes the lower of no filtering and of what the interface was born with.
    "net.ipv4.conf.eth0.rp_filter": "0",
    "net.ipv4.conf.eth1.rp_filter": "0",
  });
  if (nat !== "none") await host.nft(natRules(nat));
}

const natRules = (nat: "port-restricted" | "symmetric"): string => `
table inet lab_nat {
  chain crossing {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "eth0" oifname "eth1" accept
  }
  # An unasked packet must not be tracked: its flow would occupy the port that a later mapping wants.
  chain arriving {
    type filter hook input priority filter; policy accept;
    iifname "eth1" meta l4proto { tcp, udp } ct state new drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat;
    oifname "eth1" masquerade${nat === "symmetric" ? " random,fully-random" : ""}
  }
}
`;
