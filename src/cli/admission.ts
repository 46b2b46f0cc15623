/** admission makes of a machine that asks to join the change that admits it. */
import { Fault } from "../base/fault.ts";
import { describeOperation } from "../membership/describe.ts";
import { explain } from "../membership/explain.ts";
import { advance, type Membership } from "../membership/membership.ts";
import { newcomer, rangeFull } from "../membership/newcomer.ts";
import type { Operation } from "../membership/update.ts";
import type { OpenedRequest } from "../wire/dossier.ts";

export type Admission = {
  readonly request: OpenedRequest;
  readonly operation: Operation;
  /** What is signed, in words. */
  readonly words: readonly string[];
};

/** A machine that cannot be let in as things are: its key may have been given up, or the range is full. */
export type Unfit = { readonly request: OpenedRequest; readonly why: Fault };

/** One change for each request, each upon the one before it. Who is unfit keeps nobody else out. */
export function admitAll(
  upon: Membership,
  requests: readonly OpenedRequest[],
): { readonly admissions: readonly Admission[]; readonly unfit: readonly Unfit[] } {
  let { state } = upon;
  const admissions: Admission[] = [];
  const unfit: Unfit[] = [];
  for (const request of requests) {
    const operation = operationFor(state, request);
    if (operation instanceof Fault) {
      unfit.push({ request, why: operation });
      continue;
    }
    const next = advance(state, operation);
    if (next.ok) {
      const words = describeOperation(state, operation);
      admissions.push({ request, operation, words });
      ({ state } = next.value);
    } else {
      const { message, remedy } = explain(next.error);
      unfit.push({ request, why: new Fault("membership_rejected", message, { remedy }) });
    }
  }
  return { admissions, unfit };
}

function operationFor(
  state: Membership["state"],
  { request: { key, name }, owner, tags }: OpenedRequest,
): Operation | Fault {
  const node = newcomer(state, { key, name, owner, tags });
  if (node === null) return new Fault("unavailable", rangeFull.message, rangeFull);
  return { kind: "add_node", node };
}
