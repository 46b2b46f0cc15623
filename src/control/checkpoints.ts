/** checkpoints has this host vouch for the whole state now and then, where it decides alone. */
import { commitOperation, decidesAlone } from "./changes.ts";
import type { Control } from "./control.ts";

/** As many entries are verified within a fraction of a second by a node that joins. */
const entriesMaxDefault = 1_000;

/** How many entries a node that joins has to replay. */
export const entriesSinceCheckpoint = ({ network }: Pick<Control, "network">): number =>
  network.head.epoch - (network.membership.checkpoint?.state.epoch ?? 0);

/** People who decide together decide on that too: rustynet membership checkpoint. */
export async function checkpointWhenDue(
  control: Control,
  entriesMax = entriesMaxDefault,
): Promise<void> {
  await control.store.transact(async (transaction) => {
    if (!decidesAlone(control) || entriesSinceCheckpoint(control) < entriesMax) return;
    const detail = JSON.stringify({ epoch: control.network.head.epoch });
    const reason = { actor: "clock", event: "membership_changed", detail } as const;
    await commitOperation(control, transaction, { kind: "checkpoint" }, reason);
  });
}
