/** voucher makes the token by which machines join although nobody is there, once a quorum has signed it. */
import { Fault } from "../base/fault.ts";
import { keygen } from "../crypto/ed25519.ts";
import { describeOperation } from "../membership/describe.ts";
import type { Operation } from "../membership/update.ts";
import { voucherUsesMax } from "../membership/state.ts";
import { encodeVoucherToken } from "../wire/voucher-token.ts";
import { defineCommand } from "./command.ts";
import { openDesk } from "./desk.ts";
import { renderOutcomes, renderWords } from "./membership-text.ts";
import {
  everyChange,
  parseLifetimeS,
  parseOwner,
  parseTags,
  tagOption,
  tipOf,
} from "./proposing.ts";
import { parseCount, parseDurationS } from "./quantity.ts";

export const addVoucher = defineCommand({
  summary: "Let machines join by a token although nobody is there to sign",
  details: [
    "The token alone goes to standard output, and is shown only this once. It works once enough",
    "approvers have signed, for as many machines as it says, of this owner and with these tags, until",
    "it expires. The control server cannot use it: rustynet up TOKEN, on the machine.",
  ],
  args: {
    owner: { type: "string", valueHint: "OWNER", description: "Whose the machines will be" },
    ...tagOption,
    uses: { type: "string", valueHint: "N", description: "How many may join", default: "1" },
    expires: {
      type: "string",
      valueHint: "TIME",
      description: "How long it can be used, from now on",
      default: "7d",
    },
    ...everyChange,
  },
  run: async (given, context) => {
    if (given.owner === undefined) throw new Fault("usage", "--owner is missing");
    const { clock, random } = context;
    const key = keygen(random);
    const voucher = {
      key: key.publicKey,
      owner: parseOwner(given.owner),
      tags: parseTags(given.tag),
      uses: parseCount("--uses", given.uses, 1, voucherUsesMax),
      expiresAt: clock.nowS() + parseDurationS("--expires", given.expires),
    };
    const operation: Operation = { kind: "add_voucher", voucher };
    const desk = await openDesk(given, context);
    const { opened } = await desk.read();
    const upon = tipOf(opened, desk);
    const words = renderWords(describeOperation(upon.state, operation));
    if (given["dry-run"])
      return { document: { operation }, lines: [...words, "# --dry-run: nothing was signed"] };
    if (desk.card === null)
      throw new Fault(
        "usage",
        "the token has to say where the network is, and this file does not",
        {
          remedy: "rustynet approver network CARD, once",
        },
      );
    const outcomes = await desk.propose([operation], upon, parseLifetimeS(given.lifetime));
    const token = encodeVoucherToken({ card: desk.card, key });
    return {
      document: { token, voucher, outcomes },
      lines: [token],
      notes: [...words, ...renderOutcomes(outcomes, clock.nowS())],
    };
  },
});
