/** admission makes of a machine that asks to join the change that admits it. */
import { Fault } from "../base/fault.ts";
import { nextAddresses } from "../membership/addresses.ts";
import { type Membership, nodeIdOf } from "../membership/membership.ts";
import { freeName } from "../membership/names.ts";
import { advance } from "../membership/membership.ts";
import { explain } from "../membership/explain.ts";
import type { Operation } from "../membership/update.ts";
import type { OpenedRequest } from "../wire/dossier.ts";

/** One change for each request, each upon the one before it. */
export function admitAll(
  upon: Membership,
  requests: readonly OpenedRequest[],
): readonly Operation[] {
  let { state } = upon;
  return requests.map((request) => {
    const operation = admissionOf(state, request);
    const next = advance(state, operation);
    if (!next.ok) {
      const { message, remedy } = explain(next.error);
      throw new Fault("membership_rejected", `${request.request.name}: ${message}`, { remedy });
    }
    ({ state } = next.value);
    return operation;
  });
}

function admissionOf(
  state: Membership["state"],
  { request: { key, name }, owner, tags }: OpenedRequest,
): Operation {
  const addresses = nextAddresses(state, state.nodes.size + 1) ?? nextAddresses(state);
  if (addresses === null)
    throw new Fault("unavailable", "the network has no address left", {
      remedy: "remove nodes that are gone for good: rustynet membership propose remove-node",
    });
  const named = { id: nodeIdOf(key), key, name: freeName(state, name), owner, tags };
  return { kind: "add_node", node: { ...named, ...addresses, status: "active" } };
}
