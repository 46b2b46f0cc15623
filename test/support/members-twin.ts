/** members-twin: what the reducer decides, as plain lists that are searched from end to end. */
import type { Genesis, Node } from "../../src/membership/state.ts";
import type { Operation } from "../../src/membership/update.ts";
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

/** The network as a list of records, in the order in which they came. */
export class MembersTwin {
  readonly #genesis: Genesis;
  readonly #idOf: (key: string) => string;
  nodes: readonly Node[] = [];
  epoch = 0;

  constructor(genesis: Genesis, idOf: (key: string) => string) {
    this.#genesis = genesis;
    this.#idOf = idOf;
  }

  /** Does the operation, or returns the code under which it is refused and does nothing. */
  take(operation: Operation): string {
    const code =
      operation.kind === "add_node" ? this.#refuseNode(operation.node) : this.#refuse(operation);
    if (code !== null) return code;
    this.epoch++;
    if (operation.kind === "add_node") this.nodes = [...this.nodes, operation.node];
    else this.nodes = this.nodes.map((node) => changed(node, operation));
    return "accepted";
  }

  #refuseNode(node: Node): string | null {
    const { ranges, approvers, control, relays } = this.#genesis;
    if (this.nodes.some(({ id }) => id === node.id)) return "already_a_member";
    if (this.#idOf(node.key) !== node.id) return "identity_mismatch";
    if (node.status !== "active") return "not_admitted_active";
    if (this.#isNamed(node.name)) return "name_in_use";
    if (!isInside(ranges.ipv4, node.ipv4)) return "address_out_of_range";
    if (this.nodes.some(({ ipv4 }) => ipv4 === node.ipv4)) return "address_in_use";
    if (!isInside(ranges.ipv6, node.ipv6)) return "address_out_of_range";
    if (this.nodes.some(({ ipv6 }) => ipv6 === node.ipv6)) return "address_in_use";
    const others = [...approvers.map(({ key }) => key), ...control, ...relays];
    return others.includes(node.key) ? "key_in_use" : null;
  }

  #refuse(operation: Exclude<Operation, { kind: "add_node" }>): string | null {
    const node = this.nodes.find(({ id }) => id === operation.node);
    if (node === undefined) return "not_a_member";
    if (node.status === "revoked") return "already_revoked";
    const isTaken = operation.kind === "rename_node" && this.#isNamed(operation.name);
    return isTaken ? "name_in_use" : null;
  }

  #isNamed(name: string): boolean {
    return this.nodes.some((node) => node.status !== "revoked" && node.name === name);
  }
}

function changed(node: Node, operation: Exclude<Operation, { kind: "add_node" }>): Node {
  if (node.id !== operation.node) return node;
  return operation.kind === "revoke_node"
    ? { ...node, status: "revoked" }
    : { ...node, name: operation.name };
}
