/**
 * filter holds the host's packet filter: it reads and changes the one nf_tables table of ours, each
 * change in one transaction, and leaves every other table alone. The table outlives this process; its
 * lease closes the tunnel when nobody renews it.
 */
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { FilterState } from "../dataplane/filter.ts";
import { Netlink, NetlinkError, protocol } from "../kernel/netlink.ts";
import {
  type HeldElement,
  type HeldTable,
  readConsistently,
  readElements,
  readTable,
} from "../kernel/nftables-dump.ts";
import { encodeTransaction } from "../kernel/nftables-encode.ts";
import type { Statement } from "../kernel/nftables.ts";
import {
  type LeasedFilter,
  planFilter,
  planLease,
  planSources,
  type SourceChange,
} from "./filter-change.ts";
import { type DropReason, type FilterSetName, filterTable } from "./filter-ruleset.ts";
import { decodeDrops, decodeFilter, tunnelOf } from "./filter-state.ts";

/** All of its calls block for as long as the kernel takes, and throw Fault. */
export class PacketFilter {
  readonly #netlink: Netlink;

  /** Speaks to the network namespace that this thread is in now. */
  constructor() {
    this.#netlink = attempt("open the packet filter", () => new Netlink(protocol.netfilter));
  }

  /** By which the network monitor tells changes of this filter from those of others. */
  get port(): number {
    return this.#netlink.port;
  }

  observeFilter(): FilterState {
    return attempt("read the packet filter", () => this.#observe().value);
  }

  /**
   * Makes the filter that the kernel holds be this one, without a moment of neither; null takes the
   * table away. A damaged table is built anew, and so are its counters.
   */
  replaceFilter(to: LeasedFilter | null): void {
    if (to !== null) refuseUnusable(to);
    attempt("replace the packet filter", () => {
      for (let tries = 0; tries < triesMax; tries++) if (this.#changeFromWhatIs(to)) return;
      // Somebody else never rests. This replaces whatever is there, so it need not know what it is.
      this.#commit(planFilter({ kind: "damaged" }, to), null);
    });
  }

  /**
   * Lets these nodes in and those no longer, at once. A source to add that is there already is no
   * error, nor is one to remove that is not.
   */
  changeSources(change: SourceChange): void {
    const statements = planSources(change);
    if (statements.length === 0) return;
    attempt("change the sources of the packet filter", () => this.#commit(statements, null));
  }

  /** Gives the tunnel this long from now. Refuses to open a table whose rules are not ours. */
  renewLease(leaseMs: number): void {
    assertLease(leaseMs);
    const what = "renew the lease of the packet filter";
    attempt(what, () => {
      const { value } = readConsistently(this.#netlink, () => this.#readTable());
      const tunnel = value === null ? null : tunnelOf(value);
      if (tunnel === null) throw notLoaded(what, value);
      this.#commit(planLease(tunnel, leaseMs), null);
    });
  }

  /** The packets dropped since the table was built, by reason; null if no table of ours is intact. */
  readDropCounters(): Readonly<Record<DropReason, bigint>> | null {
    return attempt("read the counters of the packet filter", () => {
      const { value } = readConsistently(this.#netlink, () => this.#readTable());
      return value === null ? null : decodeDrops(value);
    });
  }

  close(): void {
    this.#netlink.close();
  }

  #readTable(): HeldTable | null {
    return readTable(this.#netlink, filterTable);
  }

  #observe(): { readonly generation: number; readonly value: FilterState } {
    return readConsistently(this.#netlink, (): FilterState => {
      const table = this.#readTable();
      if (table === null) return { kind: "absent" };
      return tunnelOf(table) === null
        ? { kind: "damaged" }
        : decodeFilter(table, this.#readElements());
    });
  }

  #readElements(): Readonly<Record<FilterSetName, readonly HeldElement[] | null>> {
    const read = (set: FilterSetName): readonly HeldElement[] | null =>
      readElements(this.#netlink, filterTable, set);
    return {
      self4: read("self4"),
      self6: read("self6"),
      peers4: read("peers4"),
      peers6: read("peers6"),
      lease: read("lease"),
    };
  }

  /** Returns false, and has done nothing, if anybody changed any rules in the meantime. */
  #changeFromWhatIs(to: LeasedFilter | null): boolean {
    const { generation, value } = this.#observe();
    const statements = planFilter(value, to);
    if (statements.length === 0) return true;
    try {
      this.#commit(statements, generation);
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === errno.restart) return false;
      throw error;
    }
  }

  #commit(statements: readonly Statement[], generation: number | null): void {
    this.#netlink.batch(
      "change table inet rustynet",
      encodeTransaction(filterTable, statements, generation),
    );
  }
}

const triesMax = 5;
const errno = { perm: 1, noent: 2, restart: 85, msgsize: 90, opnotsupp: 95 } as const;

function refuseUnusable({ filter, leaseMs }: LeasedFilter): void {
  assertLease(leaseMs);
  if (filter.interface === "lo")
    throw new Fault("config_invalid", "the tunnel's interface is named lo, which is the loopback", {
      remedy: "choose another interface name, such as rustynet0",
    });
}

function assertLease(leaseMs: number): void {
  assert(Number.isSafeInteger(leaseMs) && leaseMs >= 0, "a lease is whole milliseconds");
}

const reload = "load the filter again; if this repeats, find who removes it: `nft monitor`";

function notLoaded(what: string, held: HeldTable | null): Fault {
  const found = held === null ? "is not loaded" : "was changed by somebody else";
  return new Fault("host_failed", `${what}: table inet rustynet ${found}`, {
    remedy: reload,
  });
}

/** Turns what the kernel refuses into a Fault that says what to do. */
function attempt<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof NetlinkError) throw faultOf(what, cause);
    throw cause;
  }
}

function faultOf(what: string, cause: NetlinkError): Fault {
  const message = `${what}: ${cause.message}`;
  switch (cause.errno) {
    case errno.perm:
      return new Fault("permission_denied", message, {
        cause,
        remedy: "run as the service, or give the process CAP_NET_ADMIN",
      });
    case errno.noent:
      return new Fault("host_failed", `${message}: table inet rustynet is not as it was written`, {
        cause,
        remedy: reload,
      });
    case errno.msgsize:
      return new Fault("host_failed", message, {
        cause,
        remedy: "one transaction takes about 8 MB, or 250 000 sources: use fewer",
      });
    case errno.opnotsupp:
      return new Fault("host_failed", message, {
        cause,
        remedy: "the kernel has no nf_tables: `modprobe nf_tables`, or use one that has it",
      });
    default:
      return new Fault("host_failed", message, { cause });
  }
}
