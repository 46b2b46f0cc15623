/** explain puts a refusal into words: which check failed, and what to do about it. */
import type { Rejection } from "./rejection.ts";

export type Explanation = { readonly message: string; readonly remedy: string };

type Code = Rejection["code"];
type Texts = {
  readonly [C in Code]: (
    rejection: Extract<Rejection, { readonly code: C }>,
  ) => readonly [message: string, remedy: string];
};

const shown = "rustynet node list shows who is a member";
const another = "make a new key, and propose that";
const again = "propose it again on the present state";
const asked = "ask those who may decide this to sign";
const clock = "set the clocks, for example by enabling systemd-timesyncd";
const distrust = "do not use it; ask the network's operator where it comes from";

/** Text from outside, without what a terminal would act upon. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 300);

const texts: Texts = {
  already_a_member: ({ node }) => [`node ${node} is in the network already`, shown],
  not_a_member: ({ node }) => [`node ${node} is not in the network`, shown],
  already_revoked: ({ node }) => [`node ${node} is revoked`, "restore or remove it instead"],
  already_quarantined: ({ node }) => [`node ${node} is in quarantine already`, shown],
  already_active: ({ node }) => [`node ${node} is active already`, shown],
  not_admitted_active: ({ node }) => [`node ${node} is to begin otherwise than active`, again],
  identity_mismatch: ({ node }) => [`node ${node} has an id that is not its key's`, distrust],
  name_in_use: ({ name }) => [`another node is called ${name}`, "choose another name"],
  address_in_use: ({ address }) => [`another node has the address ${address}`, again],
  address_out_of_range: ({ address }) => [`${address} is outside the network's range`, again],
  too_many_nodes: ({ limit }) => [`the network has ${limit} nodes`, "remove some first"],
  key_in_use: ({ key }) => [`the key ${key} has a role in the network already`, another],
  key_retired: ({ key }) => [`the key ${key} was given up for good`, another],
  approver_unknown: ({ key }) => [
    `no approver has the key ${key}`,
    "look at who the approvers are",
  ],
  approver_already_revoked: ({ key }) => [
    `the approver with the key ${key} is revoked already`,
    "add the person anew, with a new key",
  ],
  approver_name_in_use: ({ name }) => [
    `another approver is called ${name}`,
    "choose another name, or rotate the key of the one who has it",
  ],
  too_many_approvers: ({ limit }) => [
    `the network has ${limit} approvers`,
    "revoke one first, or rotate a key",
  ],
  last_approver: () => ["this is the last approver", "add or rotate in another one first"],
  owner_missing: () => ["no active owner would be left", "add another owner first"],
  threshold_unreachable: ({ have, need }) => [
    `${need} approvers would have to sign, and there would be ${have}`,
    "add approvers or lower the threshold first",
  ],
  authority_unknown: ({ key }) => [`the key ${key} is not one of these`, "look at which there are"],
  last_control_key: () => ["this is the last control key", "add another one first"],
  too_many_authorities: ({ limit }) => [`there are ${limit} of these keys`, "revoke one first"],
  too_many_vouchers: ({ limit }) => [
    `the network has ${limit} vouchers`,
    "take back those that are not needed",
  ],
  voucher_unknown: ({ key }) => [
    `the voucher ${key} is none of this network, or has been used up or taken back`,
    "ask an approver for another one",
  ],
  voucher_for_others: ({ key }) => [
    `the voucher ${key} is for another owner or other tags`,
    "ask an approver for one that fits",
  ],
  voucher_expired: () => ["the voucher has expired", "ask an approver for another one"],
  voucher_unproven: ({ key }) => [
    `the key ${key} of the voucher or of the node has not signed`,
    distrust,
  ],
  not_a_checkpoint: ({ epoch }) => [`the entry of epoch ${epoch} is no checkpoint`, distrust],
  not_of_authority: ({ epoch }) => [
    `the entry of epoch ${epoch} does not change who may sign, or is out of order`,
    distrust,
  ],
  not_decided: ({ epoch }) => [
    `it vouches for the change of epoch ${epoch}, which no quorum has decided`,
    "have that one signed first",
  ],
  snapshot_mismatch: ({ field }) => [
    `what the snapshot says of ${field} is not what was signed`,
    distrust,
  ],
  nothing_changes: () => ["it is so already", "nothing has to be done"],
  not_an_approver: ({ key }) => [
    `${key} signed, and has no say in this`,
    "leave that signature out",
  ],
  too_few_signatures: ({ have, need }) => [`${have} of ${need} approvers have signed`, asked],
  too_few_successors: ({ have, need }) => [
    `${have} of the ${need} approvers that the change itself makes necessary have signed`,
    asked,
  ],
  owner_did_not_sign: () => ["no owner has signed a change of who decides", "ask an owner to sign"],
  key_unproven: ({ key }) => [
    `the new key ${key} has not signed`,
    "let whoever holds it sign too: it proves that somebody does",
  ],
  envelope_refused: ({ why }) =>
    why.code === "payload_type_mismatch"
      ? [`it is of the type ${printable(why.found)}, not ${why.expected}`, upgrade]
      : [`its envelope does not hold: ${why.code}`, distrust],
  payload_unknown: ({ issue }) => [
    `it says what this version does not know: ${printable(issue)}`,
    upgrade,
  ],
  network_mismatch: ({ expected }) => [`it is not for the network ${expected}`, distrust],
  root_mismatch: ({ expected }) => [`it does not lead to the root ${expected}`, distrust],
  parent_mismatch: ({ expected }) => [`it does not follow from the root ${expected}`, again],
  epoch_mismatch: ({ expected }) => [`it is not the change that leads to epoch ${expected}`, again],
  approver_repeated: () => ["two approvers share a key or a name", distrust],
  update_repeated: ({ id }) => [`the id ${id} stands for another change`, again],
  lifetime_invalid: () => ["its lifetime is none, or longer than 30 days", again],
  not_yet_valid: () => ["it is dated in the future", clock],
  expired: () => ["it has expired", again],
  out_of_order: () => ["it was taken in before the change that it follows", distrust],
};

const upgrade = "upgrade rustynet on this host";

/** Words for people. No line breaks, and nothing that a terminal would act upon. */
export function explain<C extends Code>(
  rejection: Extract<Rejection, { readonly code: C }>,
): Explanation {
  const code: C = rejection.code;
  const [message, remedy] = texts[code](rejection);
  return { message, remedy };
}
