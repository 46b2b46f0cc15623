/** newcomer makes the record under which a machine is admitted: a name and addresses that nobody else has. */
import * as v from "valibot";
import { NodeName } from "../model/names.ts";
import { nextAddresses } from "./addresses.ts";
import { nodeIdOf } from "./membership.ts";
import { type Node, nodeNamed, type State } from "./state.ts";

/** Null when the network has no address left. */
export function newcomer(
  state: State,
  { key, name, owner, tags }: Pick<Node, "key" | "name" | "owner" | "tags">,
): Node | null {
  // Addresses are handed out from below and never taken back: the next free one is mostly here.
  const addresses = nextAddresses(state, state.nodes.size + 1) ?? nextAddresses(state);
  if (addresses === null) return null;
  const named = { id: nodeIdOf(key), key, name: freeName(state, name), owner, tags };
  return { ...named, ...addresses, status: "active" };
}

/** What there is to say when it is null. */
export const rangeFull = {
  message: "the network has no address left",
  remedy: "remove nodes that are gone for good: rustynet membership propose remove-node",
} as const;

/** The name that was asked for, or the first of `name-2`, `name-3` … that nobody has. */
export function freeName(state: State, wanted: NodeName): NodeName {
  let name = wanted;
  for (let number = 2; nodeNamed(state, name) !== undefined; number++) {
    const suffix = `-${number}`;
    const stem = wanted.slice(0, 63 - suffix.length).replace(/-+$/, "");
    name = v.parse(NodeName, stem + suffix);
  }
  return name;
}
