/** log-findings words what is wrong with the log that this node was shown, and what to do about it. */
import { describeOperation } from "../membership/describe.ts";
import { openUpdate } from "../membership/membership.ts";
import type { State } from "../membership/state.ts";
import type { LogEntry } from "../membership/update.ts";
import type { NodeId } from "../model/ids.ts";
import type { Heads } from "../trust/heads.ts";
import type { View } from "../trust/view.ts";
import type { Finding } from "../wire/local-api.ts";
import type { Conflict } from "./evidence.ts";

/** More names say nothing more. */
const namesMax = 5;

/** What others' words on where they stand say of the log that this node holds. */
export function findingsOfHeads({ membership }: View, { ahead, forked }: Heads): Finding[] {
  const { state } = membership;
  const findings: Finding[] = [];
  if (ahead.length > 0)
    findings.push({
      code: "log_withheld",
      message:
        `${namesOf(state, ahead)} saw changes of the membership after epoch ${state.epoch}, which is all ` +
        "that the control server has shown this node: somebody may have been expelled",
      remedy:
        "compare `rustynet status` of the nodes named; if they agree, the control server withholds " +
        "changes: look at it, and until then do not rely on this node's peers",
    });
  if (forked.length > 0)
    findings.push({
      code: "log_forked",
      message:
        `${namesOf(state, forked)} and this node were shown different logs of ${state.epoch} changes ` +
        "each: the control server has told two stories",
      remedy:
        "treat the control server as stolen: stop it, and compare with an approver's copy: " +
        "rustynet membership verify-log",
    });
  return findings;
}

export const findingsOfConflicts = (
  { membership }: View,
  conflicts: readonly Conflict[],
): Finding[] =>
  conflicts
    .filter(({ state }) => state === "open")
    .map((conflict) => ({
      code: "log_conflict",
      message: wordConflict(membership.state, conflict),
      remedy:
        "ask the approvers who signed both; when it is settled: " +
        `rustynet membership resolve ${conflict.id}`,
    }));

/** Both changes in words, by the names that the present state knows. */
export function wordConflict(state: State, { epoch, followed, refused }: Conflict): string {
  const [kept, other] = [wordsOf(state, followed), wordsOf(state, refused)];
  return (
    `a quorum signed two changes for epoch ${epoch}: "${kept}", which stays in force, and "${other}", ` +
    "which was refused: approvers signed both, or their keys are stolen"
  );
}

function wordsOf(state: State, { envelope }: LogEntry): string {
  const opened = openUpdate(envelope);
  if (!opened.ok) return "a change that is not readable any more";
  return describeOperation(state, opened.value.update.operation).join("; ");
}

function namesOf({ nodes }: State, ids: readonly NodeId[]): string {
  const names = ids.slice(0, namesMax).map((id) => nodes.get(id)?.name ?? id.slice(0, 16));
  const more = ids.length - names.length;
  return [...names, ...(more > 0 ? [`${more} more`] : [])].join(", ");
}
