/** names finds a name for a newcomer that nobody else has. */
import * as v from "valibot";
import { NodeName } from "../model/names.ts";
import { nodeNamed, type State } from "./state.ts";

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
