/**
 * undecided holds in memory what the proposals that wait mean for others than approvers: whom they would
 * make an approver, and which machines they would admit. It follows what settle found the last time.
 */
import { Fault } from "../base/fault.ts";
import type { Proposal } from "../membership/proposal.ts";
import { newcomerOf } from "../membership/quorum.ts";
import type { Approver } from "../membership/state.ts";
import { subjectOf } from "../membership/update.ts";
import type { NodeId, StateRoot } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import type { Caller } from "./control.ts";

export class Undecided {
  #upon: StateRoot | null = null;
  #candidates: ReadonlyMap<SigningKey, Approver> = new Map();
  #admissions: ReadonlyMap<NodeId, Proposal> = new Map();

  /** Whether the log has moved on since: then nothing is known of what follows it. */
  isOf(root: StateRoot): boolean {
    return this.#upon === root;
  }

  /**
   * Somebody whom an approver has proposed as one. Their own signature is needed, to prove that they hold
   * the key, so they are let in to see what is proposed before it is decided.
   */
  candidateWithKey(key: SigningKey): Approver | undefined {
    return this.#candidates.get(key);
  }

  /** The first proposal that would admit this node. */
  admissionOf(node: NodeId): Proposal | undefined {
    return this.#admissions.get(node);
  }

  /** Takes over what follows the state with this root. */
  replace(upon: StateRoot, open: readonly Proposal[]): void {
    this.#upon = upon;
    this.#candidates = new Map(open.flatMap(candidateIn));
    this.#admissions = new Map(open.toReversed().flatMap(admissionIn));
  }

  /** The log has moved on by another change than those that waited: they follow from nothing now. */
  forget(): void {
    this.#upon = null;
    this.#candidates = new Map();
    this.#admissions = new Map();
  }
}

function candidateIn({ update: { operation }, leadsTo }: Proposal) {
  const key = newcomerOf(operation);
  const approver = leadsTo.state.approvers.find((each) => each.key === key);
  return approver === undefined ? [] : [[approver.key, approver] as const];
}

function admissionIn(proposal: Proposal) {
  const { operation } = proposal.update;
  const node = subjectOf(operation);
  return operation.kind === "add_node" && node !== null ? [[node, proposal] as const] : [];
}

/** Throws for a candidate: who only proves that they hold a key ends nothing that others decide. */
export function refuseCandidate(caller: Caller): void {
  if (caller.kind !== "approver" || !caller.isCandidate) return;
  throw new Fault("permission_denied", "this key is not an approver's yet: it can only sign", {
    remedy: "ask an approver to reject it: rustynet membership reject",
  });
}
