/** recovery-kit is what one prints and keeps: nothing of it is secret, and all of it is needed then. */
import { fingerprintOf } from "../crypto/fingerprint.ts";
import { activeApprovers, type State } from "../membership/state.ts";
import type { StateRoot } from "../model/ids.ts";
import { renderMoment } from "./text.ts";

export type KitFacts = {
  readonly state: State;
  readonly genesis: StateRoot;
  /** The network's card as text. */
  readonly card: string;
  readonly url: string;
  readonly madeAt: number;
};

/** Plain text of at most 80 columns, but for the card. */
export function renderKit({ state, genesis, card, url, madeAt }: KitFacts): string {
  const approvers = activeApprovers(state);
  const spare = approvers.length - state.threshold;
  return `RECOVERY KIT of the Rustynet network ${state.network}
made ${renderMoment(madeAt)}. Print it; nothing in it is secret. Keep it where you find it.

WHERE
  control server  ${url}
  genesis root    ${genesis}
  network card    ${card}

WHO DECIDES: ${state.threshold} of ${approvers.length}
${approvers.map(({ name, role, key }) => `  ${name.padEnd(20)} ${role.padEnd(9)} ${fingerprintOf(key)}`).join("\n")}

ONE KEY IS LOST (${spare} can be lost at once)
  A new key for the same person: rustynet approver init on their machine, then
  rustynet membership propose rotate-approver NAME CARD; the person and the others sign.
  If there will be none: rustynet membership propose revoke-approver NAME. Do it before
  the next one is lost.

ONE KEY IS STOLEN
  At once: rustynet membership propose revoke-approver NAME, and sign it. Then
  rustynet membership log: what did it sign? Alone it could decide nothing. The person's
  new key has another name: rustynet membership propose add-approver CARD.

A NODE IS STOLEN
  rustynet membership propose revoke-node NAME; ${state.threshold} sign; everybody cuts it off.

THE CONTROL SERVER IS GONE OR STOLEN
  Nodes keep running on what they hold. It cannot admit anybody by itself. Restore its
  directory from a backup, or put another in its place; approvers compare rustynet
  membership verify-log with what their machines have seen.

SO MANY KEYS ARE LOST THAT ${state.threshold} CANNOT SIGN
  Nobody can change this network any more, and nobody can break into it that way either.
  Nodes keep running. Found a new one (rustynet control init) and move the nodes to it:
  rustynet logout --local, rustynet up TOKEN.
`;
}
