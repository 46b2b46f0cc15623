/** apply performs steps and decides nothing: at the first fault it undoes its work, last first. */
import { Fault } from "../base/fault.ts";
import { invert, type Step } from "../dataplane/step.ts";

export type Perform = (step: Step) => Promise<void>;

/**
 * Throws what the failing step threw once the host is as it was before, or `rollback_failed` when
 * that could not be done: then only a new look at the host says what is there.
 */
export async function apply(steps: readonly Step[], perform: Perform): Promise<void> {
  const done: Step[] = [];
  for (const step of steps) {
    try {
      await perform(step);
    } catch (fault) {
      await rollBack(done, perform, fault);
      throw fault;
    }
    done.push(step);
  }
}

async function rollBack(done: readonly Step[], perform: Perform, fault: unknown): Promise<void> {
  for (const step of done.toReversed()) {
    try {
      await perform(invert(step));
    } catch (second) {
      const cause = new AggregateError([fault, second], "the fault, and the failure to undo it");
      throw new Fault("rollback_failed", `could not undo ${step.kind}`, {
        cause,
        remedy: "rustynet status says what is left; rustynet down and up build it anew",
      });
    }
  }
}
