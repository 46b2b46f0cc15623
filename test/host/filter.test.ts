/** Filters become changes to a table, and the table reads back as the filter, or as damaged. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import type { Filter, FilterState } from "../../src/dataplane/filter.ts";
import {
  type LeasedFilter,
  planFilter,
  planLease,
  planSources,
} from "../../src/host/filter-change.ts";
import { decodeDrops, decodeFilter } from "../../src/host/filter-state.ts";
import type { Expression } from "../../src/kernel/nftables-expression.ts";
import type { HeldElement, HeldTable } from "../../src/kernel/nftables-dump.ts";
import { IpAddress } from "../../src/model/ip.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { Prng } from "../support/prng.ts";
import { TableTwin } from "../support/table-twin.ts";

const tunnel = v.parse(InterfaceName, "rn0");
const addressesOf = (texts: readonly string[]): ReadonlySet<IpAddress> =>
  new Set(texts.map((text) => v.parse(IpAddress, text)));

const filterOf = (sources: readonly string[], own = ["100.64.0.1", "fd00::1"]): Filter => ({
  interface: tunnel,
  addresses: addressesOf(own),
  sources: addressesOf(sources),
});

function elementsIn(twin: TableTwin) {
  return {
    self4: twin.elementsOf("self4"),
    self6: twin.elementsOf("self6"),
    peers4: twin.elementsOf("peers4"),
    peers6: twin.elementsOf("peers6"),
    lease: twin.elementsOf("lease"),
  };
}

function observe(twin: TableTwin): FilterState {
  const { table } = twin;
  return table === null ? { kind: "absent" } : decodeFilter(table, elementsIn(twin));
}

function load(twin: TableTwin, to: LeasedFilter | null): FilterState {
  twin.commit(planFilter(observe(twin), to));
  return observe(twin);
}

function loaded(filter = filterOf(["100.64.0.2", "fd00::2"])): TableTwin {
  const twin = new TableTwin();
  load(twin, { filter, leaseMs: 1_000 });
  return twin;
}

describe("a filter is changed", () => {
  test("from any of these to any other, and reads back as it", () => {
    const filters: readonly (LeasedFilter | null)[] = [
      null,
      { filter: filterOf([]), leaseMs: 0 },
      { filter: filterOf([], []), leaseMs: 1 },
      { filter: filterOf(["100.64.0.2", "100.64.0.3", "fd00::2"]), leaseMs: 60_000 },
      { filter: filterOf(["100.64.0.3", "fd00::2"], ["100.64.0.9", "fd00::9"]), leaseMs: 60_000 },
      {
        filter: { ...filterOf(["fd00::7"]), interface: v.parse(InterfaceName, "other0") },
        leaseMs: 1_000,
      },
    ];
    for (const from of filters)
      for (const to of filters) {
        const twin = new TableTwin();
        load(twin, from);
        expect(load(twin, to)).toEqual(
          to === null ? { kind: "absent" } : { kind: "loaded", ...to },
        );
      }
  });

  test("in place when it is loaded: no statement takes the table, a set or a chain away", () => {
    const before = observe(loaded());
    const after = filterOf(["100.64.0.3"], ["100.64.0.7"]);
    const kinds = planFilter(before, { filter: after, leaseMs: 5 }).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(["add_elements", "delete_elements", "flush_set"]));
    const renamed = { ...after, interface: v.parse(InterfaceName, "other0") };
    const more = planFilter(before, { filter: renamed, leaseMs: 5 }).map(({ kind }) => kind);
    expect(new Set(more)).toEqual(new Set([...kinds, "flush_chain", "add_rule"]));
  });

  test("anew when it is damaged", () => {
    const [first, second] = planFilter({ kind: "damaged" }, { filter: filterOf([]), leaseMs: 5 });
    expect([first?.kind, second?.kind]).toEqual(["add_table", "delete_table"]);
  });

  test("by nothing where there is nothing to remove", () => {
    expect(planFilter({ kind: "absent" }, null)).toEqual([]);
  });

  test("in its sources: what is to be in is in, what is to be out is out, whatever was before", () => {
    const random = new Prng(7);
    const texts = Array.from({ length: 12 }, (_, index) =>
      index % 2 === 0 ? `100.64.0.${index}` : `fd00::${index}`,
    );
    const some = () => texts.filter(() => random.chance(0.4));
    for (let round = 0; round < 200; round++) {
      const before = filterOf(some());
      const twin = loaded(before);
      const change = { add: addressesOf(some()), remove: addressesOf(some()) };
      twin.commit(planSources(change));
      const state = observe(twin);
      const wanted = before.sources.union(change.add).difference(change.remove);
      expect(state.kind === "loaded" && state.filter.sources).toEqual(wanted);
    }
    expect(planSources({ add: [], remove: [] })).toEqual([]);
  });

  test("in its lease, as often as wanted, and not at all for another interface", () => {
    const twin = loaded();
    for (const leaseMs of [5_000, 5_000, 0, 0, 7]) {
      twin.commit(planLease(tunnel, leaseMs));
      expect(observe(twin)).toMatchObject({ kind: "loaded", leaseMs });
    }
    twin.commit(planLease(v.parse(InterfaceName, "other0"), 5_000));
    expect(observe(twin)).toEqual({ kind: "damaged" });
  });
});

describe("a table that is not as we wrote it is damaged", () => {
  const whole = (): HeldTable => {
    const { table } = loaded();
    if (table === null) throw new Error("the table is not there");
    return table;
  };
  const stateOf = (table: HeldTable) => decodeFilter(table, elementsIn(loaded())).kind;
  const drop: Expression = { kind: "immediate", verdict: { kind: "drop" } };

  test("and one that only counted packets is not", () => {
    const rules = new Map(
      [...whole().rules].map(([chain, list]) => [
        chain,
        list.map((rule) =>
          rule.map((expression): Expression =>
            expression.kind === "counter"
              ? { kind: "counter", packets: 5n, bytes: 300n }
              : expression,
          ),
        ),
      ]),
    );
    expect(stateOf({ ...whole(), rules })).toBe("loaded");
    expect(stateOf({ ...whole(), chains: whole().chains.toReversed() })).toBe("loaded");
  });

  test("without any one of its rules, or with any two in the other order", () => {
    for (const [chain, list] of whole().rules)
      list.forEach((rule, index) => {
        const without = list.toSpliced(index, 1);
        expect(stateOf({ ...whole(), rules: new Map(whole().rules).set(chain, without) })).toBe(
          "damaged",
        );
        const swapped = without.toSpliced(index + 1, 0, rule);
        if (Bun.deepEquals(swapped, list)) return;
        expect(stateOf({ ...whole(), rules: new Map(whole().rules).set(chain, swapped) })).toBe(
          "damaged",
        );
      });
  });

  test("with any one expression missing from any rule", () => {
    for (const [chain, list] of whole().rules)
      list.forEach((rule, at) =>
        rule.forEach((_, index) => {
          const changed = list.with(at, rule.toSpliced(index, 1));
          expect(stateOf({ ...whole(), rules: new Map(whole().rules).set(chain, changed) })).toBe(
            "damaged",
          );
        }),
      );
  });

  test("with a rule, chain or set too many or too few, or another policy or hook", () => {
    const { sets, chains, rules } = whole();
    const base = { type: "filter", hook: "input", priority: -1, policy: "accept" } as const;
    const changed: readonly Partial<HeldTable>[] = [
      { foreign: ["flowtable f"] },
      { sets: sets.slice(1) },
      { sets: [...sets, { name: "more", key: "ifname", hasTimeouts: false }] },
      { sets: sets.map((set) => ({ ...set, hasTimeouts: true })) },
      { chains: chains.slice(1) },
      { chains: [...chains, { name: "more", base }] },
      { rules: new Map([...rules, ["more", [[drop]]]]) },
      ...chains
        .filter((chain) => chain.base !== null)
        .flatMap((chain) =>
          [
            { ...base, hook: "prerouting" as const },
            { ...base, priority: 1 },
            { ...base, policy: "drop" as const },
          ].map((other) => ({
            chains: chains.map((each) =>
              each === chain ? { name: chain.name, base: other } : each,
            ),
          })),
        ),
    ];
    for (const change of changed) expect(stateOf({ ...whole(), ...change })).toBe("damaged");
  });

  const key = new Uint8Array(16);
  key.set(new TextEncoder().encode("rn0"));
  const lease: HeldElement = { key, timeoutMs: 5, remainingMs: 3 };
  test.each([
    ["that never expires", [{ key, timeoutMs: null, remainingMs: null }], "damaged"],
    ["of a second interface", [lease, { ...lease, key: key.with(2, 49) }], "damaged"],
    ["of another interface", [{ ...lease, key: key.with(2, 49) }], "damaged"],
    ["with more to it", null, "damaged"],
    ["that has expired", [], "loaded"],
    ["that runs", [lease], "loaded"],
  ] as const)("a lease %s", (_what, elements, kind) => {
    expect(decodeFilter(whole(), { ...elementsIn(loaded()), lease: elements }).kind).toBe(kind);
  });

  test("with elements that are more than addresses", () => {
    for (const set of ["self4", "self6", "peers4", "peers6"] as const)
      expect(decodeFilter(whole(), { ...elementsIn(loaded()), [set]: null }).kind).toBe("damaged");
  });

  test("and its counters are nobody's", () => {
    expect(decodeDrops({ ...whole(), foreign: ["map m"] })).toBeNull();
  });
});

test("drops are counted by reason", () => {
  const { table } = loaded();
  if (table === null) throw new Error("the table is not there");
  let packets = 0n;
  const counted = (expression: Expression): Expression =>
    expression.kind === "counter" ? { kind: "counter", packets: ++packets, bytes: 0n } : expression;
  const rules = new Map(
    ["mesh_in", "from_mesh", "mesh_forward", "mesh_out"].map((chain) => [
      chain,
      (table.rules.get(chain) ?? []).map((rule) => rule.map(counted)),
    ]),
  );
  expect(decodeDrops({ ...table, rules })).toEqual({
    address_outside_tunnel: 1n + 2n,
    source_spoofed: 3n + 4n,
    lease_expired: 5n + 11n,
    address_foreign: 6n + 7n,
    source_denied: 8n,
    forwarded: 9n + 10n,
    source_outside_tunnel: 12n + 13n,
  });
});
