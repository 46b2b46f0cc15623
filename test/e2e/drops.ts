/** drops reads the counters of the packet filter: how many packets it refused, and for which reason. */
import * as v from "valibot";
import type { DropReason } from "../../src/host/filter-ruleset.ts";
import { rulesOf } from "../../src/host/filter-ruleset.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { type NodeHost, tunnelName } from "./node-host.ts";

const Listing = v.object({
  nftables: v.array(
    v.looseObject({
      rule: v.optional(
        v.object({
          chain: v.string(),
          expr: v.array(v.looseObject({ counter: v.optional(v.object({ packets: v.number() })) })),
        }),
      ),
    }),
  ),
});

/** Packets dropped for this reason since the filter was loaded. */
export async function dropsOf({ host }: NodeHost, reason: DropReason): Promise<number> {
  const argv = ["/usr/sbin/nft", "-j", "list", "table", "inet", "rustynet"];
  const { nftables } = v.parse(Listing, JSON.parse(await host.output(argv)));
  const listed = nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule]));
  const intended = rulesOf(v.parse(InterfaceName, tunnelName));
  return intended
    .map(({ chain, drops }, i) => {
      if (drops !== reason) return 0;
      const place = intended.slice(0, i).filter((each) => each.chain === chain).length;
      const rule = listed.filter((each) => each.chain === chain)[place];
      return rule?.expr.find(({ counter }) => counter !== undefined)?.counter?.packets ?? 0;
    })
    .reduce((sum, packets) => sum + packets, 0);
}
