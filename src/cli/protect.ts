/**
 * protect walks an operator from one key beside the control server to a quorum of people. It can be
 * run again at any time: it looks at what is so, does what can be done now, and says whose turn it is.
 */
import { resolve } from "node:path";
import { encodeUtf8 } from "../base/bytes.ts";
import { exitCode, Fault } from "../base/fault.ts";
import type { ApproverCard } from "../wire/approver-card.ts";
import type { OpenedDossier } from "../wire/dossier.ts";
import { controlSocketDefault } from "../wire/local-api.ts";
import { encodeNetworkCard } from "../wire/network-card.ts";
import { openOperatorClient } from "./client.ts";
import { type Arguments, type Context, defineCommand } from "./command.ts";
import { type Desk, openDesk } from "./desk.ts";
import { openOnes } from "./membership-text.ts";
import { lifetimeOption, parseLifetimeS, tipOf } from "./proposing.ts";
import { parseCard } from "./propose.ts";
import {
  approversAfter,
  planProtection,
  type Protection,
  rehearseLosses,
  type Step,
} from "./protect-plan.ts";
import { parseCount } from "./quantity.ts";
import { renderKit } from "./recovery-kit.ts";
import type { Line } from "./text.ts";

const options = {
  threshold: {
    type: "string",
    valueHint: "N",
    description: "How many have to sign",
    default: "2",
  },
  "without-host-key": {
    type: "boolean",
    description: "In the end the key on this host decides nothing any more",
  },
  "accept-lockout": {
    type: "boolean",
    description: "Go on although the loss of one key would leave nobody who can decide",
  },
  "dry-run": { type: "boolean", description: "Say what would be done, and do nothing" },
  kit: {
    type: "string",
    valueHint: "FILE",
    description: "Write the recovery kit there",
    completes: "file",
  },
  socket: {
    type: "string",
    valueHint: "PATH",
    description: "Where the control server listens",
    default: controlSocketDefault,
    completes: "file",
  },
  ...lifetimeOption,
} as const satisfies Arguments;

export const protect = defineCommand({
  summary: "Go from one key beside the control server to several people, step by step",
  details: [
    "Runs on the control server's host, with the cards of those who are to decide (each makes a key",
    "with rustynet approver init and prints its card with rustynet approver export). Run it again",
    "with the same cards until all is done: it says who has to sign what. Nothing stops meanwhile.",
  ],
  args: options,
  rest: "CARD",
  run: async (given, context, cards) => {
    const desk = await openDesk(hostWishes(given.socket), context);
    const { opened } = await desk.read();
    const protection = {
      cards: cards.map(parseCard),
      threshold: parseCount("--threshold", given.threshold, 1, 64),
      leaving: given["without-host-key"] ? desk.signer : null,
    };
    refuseRepeated(protection.cards);
    const losses = rehearsal(opened, protection, given["accept-lockout"]);
    for (const line of losses) context.say(line);
    const before = plan(opened, protection);
    const isOver = before.every(({ state }) => state === "done");
    if (!given["dry-run"] && !isOver)
      await takeSteps(desk, protection, parseLifetimeS(given.lifetime));
    const after = given["dry-run"] ? before : plan((await desk.read()).opened, protection);
    const kit =
      given.kit === undefined ? null : await writeKit(given.kit, given.socket, desk, context);
    return {
      document: { steps: after, kit },
      lines: [...renderSteps(after), ...wordNext(after, given["dry-run"])],
      notes: kit === null ? [] : [`# the recovery kit is at ${kit}: print it`],
      exit:
        after.every(({ state }) => state === "done") || given["dry-run"] ? 0 : exitCode.temporary,
    };
  },
});

const hostWishes = (socket: string) => ({
  ...{ file: undefined, out: undefined, genesis: undefined, dir: undefined, socket },
  "passphrase-file": undefined,
});

function refuseRepeated(cards: readonly ApproverCard[]): void {
  const isRepeated =
    new Set(cards.map(({ key }) => key)).size < cards.length ||
    new Set(cards.map(({ name }) => name)).size < cards.length;
  if (isRepeated) throw new Fault("usage", "two of the cards are of one person, or of one name");
}

const plan = (opened: OpenedDossier, protection: Protection): readonly Step[] =>
  planProtection(opened.membership, openOnes(opened), protection);

/** Says what would be left after each loss, and refuses what one loss would lock for good. */
function rehearsal(
  { membership }: OpenedDossier,
  protection: Protection,
  isAccepted: boolean,
): readonly Line[] {
  const approvers = approversAfter(membership, protection);
  const { threshold } = protection;
  if (approvers.length < threshold)
    throw new Fault("usage", `${threshold} have to sign, and there would be ${approvers.length}`, {
      remedy: "give the cards of more people, or a lower --threshold",
    });
  const losses = rehearseLosses(approvers, threshold);
  const fatal = losses.filter(({ canDecide }) => !canDecide);
  if (fatal.length > 0 && !isAccepted)
    throw new Fault(
      "usage",
      `if ${fatal.map(({ name }) => name).join(" or ")} lost their key, nobody could change this network again`,
      { remedy: "give one more card, or a lower --threshold; or say --accept-lockout" },
    );
  return [
    `${threshold} of ${approvers.length} will decide: ${approvers.map(({ name }) => name).join(", ")}`,
    ...losses.map(({ name, left, canDecide }) =>
      canDecide
        ? `    without ${name}'s key: ${left.join(", ")} still can`
        : ({ tone: "bad", text: `    without ${name}'s key: nobody can` } as const),
    ),
    "",
  ];
}

/** Proposes what can be proposed now, and again what that has made possible. */
async function takeSteps(desk: Desk, protection: Protection, lifetimeS: number): Promise<void> {
  // A pass takes one step. Who turns each down at once does not keep this going for ever.
  for (let left = protection.cards.length + 3; left > 0; left--) {
    const { opened } = await desk.read();
    const next = plan(opened, protection).find(({ state }) => state === "next");
    if (next === undefined || next.operation === null) return;
    await desk.propose([next.operation], tipOf(opened, desk), lifetimeS);
  }
}

const marks = { done: "done ", waits: "waits", next: "next ", later: "later" } as const;

const renderSteps = (steps: readonly Step[]): readonly Line[] =>
  steps.map(({ what, state, missing }) => {
    const whom = missing.length === 0 ? "" : `: for ${missing.join(" or ")}`;
    const text = `${marks[state]}  ${what}${whom}`;
    return state === "done" ? { tone: "good", text } : text;
  });

function wordNext(steps: readonly Step[], isDryRun: boolean): readonly Line[] {
  if (isDryRun) return ["# --dry-run: nothing was proposed"];
  const waiting = [...new Set(steps.flatMap(({ missing }) => missing))];
  if (waiting.length > 0)
    return [
      "",
      `# next: on the machine of ${waiting.join(" or ")}: rustynet membership sign --all`,
      "# then this command again, with the same cards",
    ];
  return ["", { tone: "good", text: "all is done" }, "# print the recovery kit: --kit FILE"];
}

async function writeKit(
  kit: string,
  socket: string,
  desk: Desk,
  { host, clock }: Context,
): Promise<string> {
  const { url, pin, network, genesis } = await openOperatorClient(socket)("networkShow", {});
  const { state } = (await desk.read()).opened.membership;
  const card = encodeNetworkCard({ url, pin, network, genesis });
  const path = resolve(kit);
  const text = renderKit({ state, genesis, card, url, madeAt: clock.nowS() });
  host.write(path, encodeUtf8(text), 0o644);
  return path;
}
