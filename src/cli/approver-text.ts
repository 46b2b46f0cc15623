/** approver-text words an approver's key: whose it is, how it is kept, and which network it is for. */
import { fingerprintOf } from "../crypto/fingerprint.ts";
import type { Custody } from "../crypto/key-file.ts";
import { type ApproverCard, encodeApproverCard } from "../wire/approver-card.ts";
import type { NetworkCard } from "../wire/network-card.ts";
import { renderQrLines } from "./qr-code.ts";
import { type Line, renderField } from "./text.ts";

export type Approver = {
  readonly card: ApproverCard;
  readonly network: NetworkCard | null;
  readonly keyPath: string;
  readonly custody: Custody["kind"];
};

const labelWidth = "fingerprint".length;
const field = (label: string, text: string): Line => renderField(label, text, labelWidth);

export function renderApprover({ card, network, keyPath, custody }: Approver): readonly Line[] {
  return [
    field("approver", card.name),
    field("fingerprint", fingerprintOf(card.key)),
    field("key", card.key),
    field("kept", `${keyPath}, ${wordCustody(custody)}`),
    field("network", network === null ? "none yet" : `${network.network} at ${network.url}`),
    ...(network === null ? ["# to say which: rustynet approver network CARD"] : []),
  ];
}

const wordCustody = (custody: Custody["kind"]): string =>
  custody === "plain" ? "NOT encrypted" : "under a passphrase";

/** The same for programs. Nothing of it is secret. */
export const describeApprover = ({ card, network, keyPath, custody }: Approver) => ({
  name: card.name,
  key: card.key,
  fingerprint: fingerprintOf(card.key),
  card: encodeApproverCard(card),
  network,
  keyPath,
  custody,
});

/** What stands beside the card for people. The picture is for those who look, and not for a log. */
export function wordExport(card: ApproverCard, isTerminal: boolean): readonly Line[] {
  return [
    ...(isTerminal ? renderQrLines(encodeApproverCard(card)) : []),
    `# the public half of ${card.name}'s key; it may be seen by anybody`,
    `# fingerprint ${fingerprintOf(card.key)}: compare it by voice with whoever takes the card`,
  ];
}
