/** vectors-misstated: snapshots whose state is not the one that was vouched for, or has another spelling. */
import type { Snapshot } from "../src/membership/snapshot.ts";
import { approverOf } from "../test/support/world.ts";
import { keyOf } from "./vectors-governance.ts";
import { refuse, rich, type Vector } from "./vectors-snapshot-parts.ts";
import { full } from "./vectors-snapshots.ts";

export const misstated = (): Record<string, Vector> => ({ ...changedStates(), ...misspelled() });

type Document = Snapshot["state"];
const changing = (expect: string, change: (state: Document) => Record<string, unknown>): Vector =>
  refuse(expect, full(), { ...rich(), state: { ...rich().state, ...change(rich().state) } });

/** A state that differs in one thing from the one that was vouched for. */
function changedStates(): Record<string, Vector> {
  const changed = (change: (state: Document) => Record<string, unknown>): Vector =>
    changing("parent_mismatch", change);
  const firstNode = (changes: (nodes: Document["nodes"]) => object): Vector =>
    changing("snapshot_mismatch: nodes", ({ nodes: [first, ...others] }) => ({
      nodes: [{ ...first, ...changes(others) }, ...others],
    }));
  return {
    "a-state-with-a-node-left-out": changed(({ nodes }) => ({ nodes: nodes.slice(1) })),
    "a-state-with-a-node-of-another-owner": changed(({ nodes: [first, ...others] }) => ({
      nodes: [{ ...first, owner: "mallory" }, ...others],
    })),
    "a-state-with-a-revoked-node-restored": changed(({ nodes }) => ({
      nodes: nodes.map((node) =>
        node.status === "revoked" ? { ...node, status: "active", name: "back" } : node,
      ),
    })),
    "a-state-with-a-retired-key-left-out": changed(({ retired }) => ({
      retired: retired.slice(1),
    })),
    "a-state-without-retired-keys": changed(() => ({ retired: [] })),
    "a-state-with-a-voucher-left-out": changed(() => ({ vouchers: [] })),
    "a-state-with-a-voucher-of-more-uses": changed(({ vouchers: [first] }) => ({
      vouchers: [{ ...first, uses: 1_000 }],
    })),
    "a-state-with-another-control-key": changed(() => ({ control: [keyOf("mallory")] })),
    "a-state-without-relays": changed(() => ({ relays: [] })),
    "a-state-with-another-policy": changed(() => ({ policy: { kind: "same_owner" } })),
    "a-state-with-an-approver-more": changing("snapshot_mismatch: approvers", ({ approvers }) => ({
      approvers: [...approvers, approverOf("mallory")],
    })),
    "a-state-with-an-approver-left-out": changing("snapshot_mismatch: approvers", (state) => ({
      approvers: state.approvers.slice(1),
    })),
    "a-state-with-approvers-in-another-order": changing(
      "snapshot_mismatch: approvers",
      (state) => ({
        approvers: state.approvers.toReversed(),
      }),
    ),
    "a-state-with-an-approver-of-another-role": changing(
      "snapshot_mismatch: approvers",
      (state) => ({
        approvers: state.approvers.map((one) => ({ ...one, role: "owner" })),
      }),
    ),
    "a-state-with-another-threshold": changing("snapshot_mismatch: threshold", () => ({
      threshold: 1,
    })),
    "a-state-at-another-epoch": changing("snapshot_mismatch: epoch", ({ epoch }) => ({
      epoch: epoch - 1,
    })),
    "a-state-of-another-network": changing("snapshot_mismatch: network", () => ({
      network: "ab".repeat(16),
    })),
    "a-state-with-other-ranges": changing("snapshot_mismatch: ranges", ({ ranges }) => ({
      ranges: { ...ranges, ipv4: "10.0.0.0/8" },
    })),
    "a-state-with-two-nodes-of-one-name": firstNode((others) => ({
      name: others.find(({ status }) => status === "active")?.name,
      status: "active",
    })),
    "a-state-with-two-nodes-at-one-ipv4-address": firstNode(([other]) => ({ ipv4: other?.ipv4 })),
    "a-state-with-two-nodes-at-one-ipv6-address": firstNode(([other]) => ({ ipv6: other?.ipv6 })),
    "a-state-with-two-nodes-under-one-key": firstNode(([other]) => ({ key: other?.key })),
  };
}

/** A second spelling of a set, and what has not the form at all. */
function misspelled(): Record<string, Vector> {
  const changed = (change: (state: Document) => Record<string, unknown>): Vector =>
    changing("malformed", change);
  const altered = (change: (snapshot: Snapshot) => object): Vector =>
    refuse("malformed", full(), { ...rich(), ...change(rich()) });
  return {
    "a-state-with-nodes-out-of-order": changed(({ nodes }) => ({ nodes: nodes.toReversed() })),
    "a-state-with-a-node-twice": changed(({ nodes: [first, ...others] }) => ({
      nodes: [first, first, ...others],
    })),
    "a-state-with-retired-keys-out-of-order": changed(({ retired }) => ({
      retired: retired.toReversed(),
    })),
    "a-state-with-a-retired-key-twice": changed(({ retired: [first, ...others] }) => ({
      retired: [first, first, ...others],
    })),
    "a-state-with-a-voucher-twice": changed(({ vouchers: [first] }) => ({
      vouchers: [first, first],
    })),
    "a-state-with-control-keys-out-of-order": changed(() => ({
      control: [keyOf("control"), keyOf("control-2")].sort().reverse(),
    })),
    "a-state-of-version-2": changed(() => ({ version: 2 })),
    "a-state-with-an-unknown-field": changed(() => ({ note: "x" })),
    "a-state-with-a-field-of-every-object": changed(() => ({ constructor: "x" })),
    "a-state-beyond-the-last-epoch": changed(() => ({ epoch: 2 ** 48 + 1 })),
    "a-snapshot-without-a-state": altered(() => ({ state: undefined })),
    "a-snapshot-without-a-checkpoint": altered(() => ({ checkpoint: undefined })),
    "a-snapshot-with-an-unknown-field": altered(() => ({ entries: [] })),
    "a-change-of-who-may-sign-without-its-rest": altered(({ authority }) => ({
      authority: authority.map(({ entry }) => ({ entry })),
    })),
    "a-rest-with-an-unknown-field": altered(({ authority }) => ({
      authority: authority.map(({ entry, rest }) => ({ entry, rest: { ...rest, epoch: 1 } })),
    })),
    "a-rest-without-its-nodes": altered(({ authority }) => ({
      authority: authority.map(({ entry, rest: { nodes: _, ...rest } }) => ({ entry, rest })),
    })),
  };
}
