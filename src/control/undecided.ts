/**
 * candidates are those whom an approver has proposed as approvers. Their own signature is needed to
 * prove that they hold the key, so they are let in to see what is proposed before it is decided.
 */
import type { Proposal } from "../membership/proposal.ts";
import type { Approver } from "../membership/state.ts";
import { newcomerOf } from "../membership/quorum.ts";
import type { SigningKey } from "../model/keys.ts";

export class Candidates {
  #byKey: ReadonlyMap<SigningKey, Approver> = new Map();

  withKey(key: SigningKey): Approver | undefined {
    return this.#byKey.get(key);
  }

  /** Follows from what waits, and is found anew whenever that changes. */
  replace(open: readonly Proposal[]): void {
    this.#byKey = new Map(
      open.flatMap(({ update: { operation }, leadsTo }) => {
        const key = newcomerOf(operation);
        const approver = leadsTo.state.approvers.find((each) => each.key === key);
        return approver === undefined ? [] : [[approver.key, approver] as const];
      }),
    );
  }
}
