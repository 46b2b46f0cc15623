/** members-twin: what the reducer decides, as plain lists that are searched from end to end. */
import { unreachable } from "../../src/base/assert.ts";
import type { Genesis, Node, PolicyPin, Voucher } from "../../src/membership/state.ts";
import type { Operation } from "../../src/membership/update.ts";
import type { SigningKey } from "../../src/model/keys.ts";
import { isPrefixOf } from "./cidr-twin.ts";

const bitsOf4 = (text: string): readonly boolean[] =>
  text.split(".").flatMap((part) => bitsOfNumber(Number(part), 8));

function bitsOf6(text: string): readonly boolean[] {
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const behind = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - groups(head).length - behind.length }, () => "0");
  return [...groups(head), ...zeros, ...behind].flatMap((group) =>
    bitsOfNumber(Number.parseInt(group, 16), 16),
  );
}

const bitsOfNumber = (number: number, width: number): readonly boolean[] =>
  Array.from({ length: width }, (_, i) => ((number >> (width - 1 - i)) & 1) === 1);

export function isInside(cidr: string, address: string): boolean {
  const bitsOf = cidr.includes(":") ? bitsOf6 : bitsOf4;
  const [base = "", length = ""] = cidr.split("/");
  return isPrefixOf(bitsOf(base).slice(0, Number(length)), bitsOf(address));
}

type Approvers = Genesis["approvers"];
type OfNode = Extract<Operation, { node: string }>;
type OfApprovers = Extract<
  Operation,
  { kind: "add_approver" | "rotate_approver" | "revoke_approver" | "set_threshold" }
>;
type OfVouchers = Extract<Operation, { kind: "add_voucher" | "revoke_voucher" | "redeem_voucher" }>;
type OfAuthorities = Exclude<
  Operation,
  { kind: "add_node" | "checkpoint" } | OfNode | OfApprovers | OfVouchers
>;

const isOfNode = (operation: Operation): operation is OfNode =>
  "node" in operation && typeof operation.node === "string";
const isOfVouchers = (operation: Operation): operation is OfVouchers =>
  operation.kind.endsWith("_voucher");

/** The network as plain lists, in the order in which things came. */
export class MembersTwin {
  readonly #ranges: Genesis["ranges"];
  readonly #idOf: (key: string) => string;
  nodes: readonly Node[] = [];
  approvers: Approvers;
  threshold: number;
  control: readonly SigningKey[];
  relays: readonly SigningKey[];
  policy: PolicyPin;
  vouchers: readonly Voucher[] = [];
  /** Every key that was a node's, a control's, a relay's or a voucher's and was given up. */
  retired: readonly SigningKey[] = [];
  epoch = 0;

  constructor(genesis: Genesis, idOf: (key: string) => string) {
    this.#ranges = genesis.ranges;
    this.#idOf = idOf;
    ({ approvers: this.approvers, threshold: this.threshold, policy: this.policy } = genesis);
    ({ control: this.control, relays: this.relays } = genesis);
  }

  /** Does the operation, or returns the code under which it is refused and does nothing. */
  take(operation: Operation): string {
    const code = this.#refuse(operation);
    if (code !== null) return code;
    this.epoch++;
    this.#apply(operation);
    return "accepted";
  }

  #refuse(operation: Operation): string | null {
    if (operation.kind === "add_node") return this.#refuseNode(operation.node);
    if (operation.kind === "checkpoint") return null;
    if (isOfVouchers(operation)) return this.#refuseVouchers(operation);
    if (isOfNode(operation)) return this.#refuseChange(operation);
    if ("approver" in operation || operation.kind === "set_threshold")
      return this.#refuseApprovers(operation);
    return this.#refuseAuthorities(operation);
  }

  #refuseNode(node: Node): string | null {
    if (this.nodes.some(({ id }) => id === node.id)) return "already_a_member";
    if (this.#idOf(node.key) !== node.id) return "identity_mismatch";
    if (node.status !== "active") return "not_admitted_active";
    if (this.#isNamed(node.name)) return "name_in_use";
    if (!isInside(this.#ranges.ipv4, node.ipv4)) return "address_out_of_range";
    if (this.nodes.some(({ ipv4 }) => ipv4 === node.ipv4)) return "address_in_use";
    if (!isInside(this.#ranges.ipv6, node.ipv6)) return "address_out_of_range";
    if (this.nodes.some(({ ipv6 }) => ipv6 === node.ipv6)) return "address_in_use";
    return this.#refuseKey(node.key);
  }

  #refuseChange(operation: OfNode): string | null {
    const node = this.nodes.find(({ id }) => id === operation.node);
    if (node === undefined) return "not_a_member";
    const { status } = node;
    if (operation.kind === "remove_node") return null;
    if (operation.kind === "restore_node") {
      if (status === "active") return "already_active";
      return status === "revoked" && this.#isNamed(node.name) ? "name_in_use" : null;
    }
    if (status === "revoked") return "already_revoked";
    if (operation.kind === "quarantine_node" && status === "quarantined")
      return "already_quarantined";
    if (operation.kind === "rename_node" && this.#isNamed(operation.name)) return "name_in_use";
    if (operation.kind === "rotate_node_key") return this.#refuseKey(operation.key);
    const isSame =
      (operation.kind === "retag_node" && operation.tags.join() === node.tags.join()) ||
      (operation.kind === "reown_node" && operation.owner === node.owner);
    return isSame ? "nothing_changes" : null;
  }

  #refuseApprovers(operation: OfApprovers): string | null {
    const active = this.approvers.filter(({ status }) => status === "active");
    if (operation.kind === "add_approver") {
      if (active.length === 64) return "too_many_approvers";
      if (active.some(({ name }) => name === operation.approver.name))
        return "approver_name_in_use";
      return this.#refuseKey(operation.approver.key);
    }
    if (operation.kind === "set_threshold") {
      if (operation.threshold === this.threshold) return "nothing_changes";
      return operation.threshold > active.length ? "threshold_unreachable" : null;
    }
    if (operation.kind !== "rotate_approver" && operation.kind !== "revoke_approver") return null;
    const one = this.approvers.find(({ key }) => key === operation.approver);
    if (one === undefined) return "approver_unknown";
    if (one.status === "revoked") return "approver_already_revoked";
    if (operation.kind === "rotate_approver") return this.#refuseKey(operation.key);
    const rest = active.filter((other) => other !== one);
    if (rest.length === 0) return "last_approver";
    if (rest.length < this.threshold) return "threshold_unreachable";
    return rest.every(({ role }) => role === "guardian") ? "owner_missing" : null;
  }

  #refuseAuthorities(operation: OfAuthorities): string | null {
    switch (operation.kind) {
      case "add_control_key":
        return this.control.length === 16 ? "too_many_authorities" : this.#refuseKey(operation.key);
      case "add_relay_key":
        return this.relays.length === 16 ? "too_many_authorities" : this.#refuseKey(operation.key);
      case "revoke_control_key":
        if (!this.control.includes(operation.key)) return "authority_unknown";
        return this.control.length === 1 ? "last_control_key" : null;
      case "revoke_relay_key":
        return this.relays.includes(operation.key) ? null : "authority_unknown";
      case "pin_policy":
        return Bun.deepEquals(operation.policy, this.policy) ? "nothing_changes" : null;
      default:
        return unreachable(operation);
    }
  }

  #refuseVouchers(operation: OfVouchers): string | null {
    if (operation.kind === "add_voucher")
      return this.vouchers.length === 1_000
        ? "too_many_vouchers"
        : this.#refuseKey(operation.voucher.key);
    const wanted = operation.kind === "revoke_voucher" ? operation.key : operation.voucher;
    const voucher = this.vouchers.find(({ key }) => key === wanted);
    if (voucher === undefined) return "voucher_unknown";
    if (operation.kind === "revoke_voucher") return null;
    const { node } = operation;
    const fits = node.owner === voucher.owner && Bun.deepEquals(node.tags, voucher.tags);
    return fits ? this.#refuseNode(node) : "voucher_for_others";
  }

  #refuseKey(key: SigningKey): string | null {
    const isRevoked = this.approvers.some((one) => one.key === key && one.status === "revoked");
    if (isRevoked || this.retired.includes(key)) return "key_retired";
    const holders = [...this.approvers, ...this.nodes, ...this.vouchers].map((one) => one.key);
    return [...holders, ...this.control, ...this.relays].includes(key) ? "key_in_use" : null;
  }

  #isNamed(name: string): boolean {
    return this.nodes.some((node) => node.status !== "revoked" && node.name === name);
  }

  #apply(operation: Operation): void {
    if (operation.kind === "add_node") this.nodes = [...this.nodes, operation.node];
    else if (operation.kind === "remove_node")
      this.nodes = this.nodes.filter(({ id }) => id !== operation.node);
    else if (isOfVouchers(operation)) this.#applyToVouchers(operation);
    else if (isOfNode(operation)) {
      if (operation.kind === "rotate_node_key")
        for (const node of this.nodes)
          if (node.id === operation.node) this.retired = [...this.retired, node.key];
      this.nodes = this.nodes.map((node) =>
        node.id === operation.node ? { ...node, ...changeOf(operation) } : node,
      );
    } else if (operation.kind !== "checkpoint") this.#applyToNetwork(operation);
  }

  #applyToVouchers(operation: OfVouchers): void {
    if (operation.kind === "add_voucher") {
      this.vouchers = [...this.vouchers, operation.voucher];
      return;
    }
    if (operation.kind === "redeem_voucher") this.nodes = [...this.nodes, operation.node];
    const gone = operation.kind === "redeem_voucher" ? operation.voucher : operation.key;
    const taken = operation.kind === "redeem_voucher" ? 1 : Number.POSITIVE_INFINITY;
    const left = this.vouchers.map((one) =>
      one.key === gone ? { ...one, uses: one.uses - taken } : one,
    );
    this.vouchers = left.filter(({ uses }) => uses > 0);
    if (this.vouchers.length < left.length) this.retired = [...this.retired, gone];
  }

  #applyToNetwork(operation: OfApprovers | OfAuthorities): void {
    const revoke = (gone: string): Approvers =>
      this.approvers.map((one) => (one.key === gone ? { ...one, status: "revoked" } : one));
    switch (operation.kind) {
      case "add_approver":
        this.approvers = [...this.approvers, { ...operation.approver, status: "active" }];
        return;
      case "rotate_approver":
        for (const { name, role, key } of this.approvers)
          if (key === operation.approver)
            this.approvers = [...revoke(key), { key: operation.key, name, role, status: "active" }];
        return;
      case "revoke_approver":
        this.approvers = revoke(operation.approver);
        return;
      case "set_threshold":
        this.threshold = operation.threshold;
        return;
      case "add_control_key":
        this.control = [...this.control, operation.key].toSorted();
        return;
      case "add_relay_key":
        this.relays = [...this.relays, operation.key].toSorted();
        return;
      case "pin_policy":
        this.policy = operation.policy;
        return;
      case "revoke_control_key":
      case "revoke_relay_key":
        this.control = this.control.filter((key) => key !== operation.key);
        this.relays = this.relays.filter((key) => key !== operation.key);
        this.retired = [...this.retired, operation.key];
        return;
      default:
        unreachable(operation);
    }
  }
}

function changeOf(operation: OfNode): Partial<Node> {
  switch (operation.kind) {
    case "revoke_node":
      return { status: "revoked" };
    case "quarantine_node":
      return { status: "quarantined" };
    case "restore_node":
      return { status: "active" };
    case "rename_node":
      return { name: operation.name };
    case "retag_node":
      return { tags: operation.tags };
    case "reown_node":
      return { owner: operation.owner };
    case "rotate_node_key":
      return { key: operation.key };
    case "remove_node":
      return {};
    default:
      return unreachable(operation);
  }
}
