/** membership-log shows what was decided, and verifies that all of it was. */
import { exitCode, Fault } from "../base/fault.ts";
import { describeOperation } from "../membership/describe.ts";
import { append, type Membership, openUpdate } from "../membership/membership.ts";
import type { LogEntry, Update } from "../membership/update.ts";
import type { SigningKey } from "../model/keys.ts";
import { beginHistory, type Dossier } from "../wire/dossier.ts";
import { type Context, defineCommand } from "./command.ts";
import { deskOptions, openDesk } from "./desk.ts";
import { idDigits, renderWords, wordsToSign } from "./membership-text.ts";
import { parseCount } from "./quantity.ts";
import { type Line, plural, quoted, renderField, renderMoment, renderTable } from "./text.ts";

/** One decided change, as it was understood when it was decided. */
type Decided = {
  readonly update: Update;
  readonly acceptedAt: number;
  readonly words: readonly string[];
  readonly signers: readonly string[];
};

/** The entries of a dossier that was verified. Those before its snapshot are not in it. */
function decidedIn(
  dossier: Dossier,
  genesis: Membership["root"],
  nowS: number,
): readonly Decided[] {
  const begun = beginHistory(dossier, genesis, nowS);
  if (!begun.ok) throw new Fault("membership_rejected", `the log is refused: ${begun.error.code}`);
  let membership = begun.value;
  return dossier.entries.map((entry) => {
    const decided = describeEntry(membership, entry);
    const next = append(membership, entry, nowS);
    if (!next.ok) throw new Fault("membership_rejected", `the log is refused: ${next.error.code}`);
    membership = next.value;
    return decided;
  });
}

function describeEntry({ state }: Membership, { envelope, acceptedAt }: LogEntry): Decided {
  const opened = openUpdate(envelope);
  if (!opened.ok)
    throw new Fault("membership_rejected", `the log is refused: ${opened.error.code}`);
  const { update, signers } = opened.value;
  const nameOf = (key: SigningKey): string =>
    state.approvers.find((each) => each.key === key)?.name ?? `key ${key.slice(0, idDigits)}`;
  const words = describeOperation(state, update.operation);
  return { update, acceptedAt, words, signers: [...signers].map(nameOf) };
}

async function readDecided(given: Parameters<typeof openDesk>[0], context: Context) {
  const desk = await openDesk(given, context, false);
  const { dossier, opened } = await desk.read();
  const decided = decidedIn(dossier, desk.genesis, context.clock.nowS());
  return { decided, opened, dossier };
}

const describeDecided = ({ update, acceptedAt, words, signers }: Decided) => ({
  ...{ epoch: update.epoch, id: update.id, root: update.root, acceptedAt, words, signers },
  operation: update.operation,
});

export const logCommand = defineCommand({
  summary: "Show what was decided, by whom and when",
  details: ["Begins at the last checkpoint: what came before it, it vouches for."],
  args: {
    limit: { type: "string", valueHint: "N", description: "The last so many", default: "50" },
    ...deskOptions,
  },
  run: async (given, context) => {
    const limit = parseCount("--limit", given.limit, 1, 1_000_000);
    const { decided } = await readDecided(given, context);
    const shown = decided.slice(-limit);
    const lines =
      shown.length === 0
        ? ["nothing was decided yet"]
        : renderTable(
            [
              { title: "EPOCH", align: "right" },
              { title: "AT" },
              { title: "CHANGE" },
              { title: "SIGNED BY" },
            ],
            shown.map(({ update, acceptedAt, words, signers }) => [
              String(update.epoch),
              renderMoment(acceptedAt),
              words[0] ?? "",
              signers.join(", "),
            ]),
          );
    return { document: { entries: shown.map(describeDecided) }, lines };
  },
});

export const showCommand = defineCommand({
  summary: "Show one change in full, decided or proposed",
  args: {
    name: { type: "positional", description: "An epoch, or the beginning of an id" },
    ...deskOptions,
  },
  run: async (given, context) => {
    const { decided, opened } = await readDecided(given, context);
    const proposed = opened.proposals.flatMap((judged) =>
      judged.kind === "open"
        ? [
            {
              ...judged.proposal,
              acceptedAt: null,
              signers: judged.proposal.tally.signed.map(({ name }) => name),
            },
          ]
        : [],
    );
    const found = [...decided, ...proposed].filter(({ update }) => isNamed(update, given.name));
    const [only] = found;
    if (only === undefined || found.length > 1)
      throw new Fault(
        "not_found",
        `${quoted(given.name)} is ${found.length === 0 ? "no change that is shown here" : "not one change alone"}`,
        {
          remedy: "rustynet membership log and rustynet membership pending show them",
        },
      );
    return { document: describeShown(only), lines: renderShown(only) };
  },
});

const isNamed = ({ epoch, id }: Update, name: string): boolean =>
  name === String(epoch) || (/^[0-9a-f]{8,32}$/.test(name) && id.startsWith(name));

type Shown = Omit<Decided, "acceptedAt"> & { readonly acceptedAt: number | null };

const describeShown = ({ update, acceptedAt, words, signers }: Shown) => ({
  ...{ update, acceptedAt, words, signers },
});

function renderShown({ update, acceptedAt, words, signers }: Shown): readonly Line[] {
  return [
    ...renderWords(wordsToSign(words, update.operation)),
    renderField("epoch", String(update.epoch)),
    renderField("id", update.id),
    renderField("follows", update.parent),
    renderField("leads to", update.root),
    renderField("made", renderMoment(update.createdAt)),
    renderField("expires", renderMoment(update.expiresAt)),
    renderField("decided", acceptedAt === null ? "not yet" : renderMoment(acceptedAt)),
    renderField("signed by", signers.join(", ")),
  ];
}

export const verifyLog = defineCommand({
  summary: "Verify the whole log on this machine, from the genesis root on",
  details: [
    "Every signature, every quorum and every root. A log that does not hold exits with 65.",
  ],
  args: deskOptions,
  run: async (given, context) => {
    try {
      const { decided, opened, dossier } = await readDecided(given, context);
      const { state, root } = opened.membership;
      const from = dossier.snapshot === null ? "the genesis statement" : "the last checkpoint";
      const signatures = decided.reduce((sum, { signers }) => sum + signers.length, 0);
      return {
        document: { intact: true, epoch: state.epoch, root, entries: decided.length, signatures },
        lines: [
          { tone: "good", text: "the log holds" },
          `${plural(decided.length, "change")} with ${plural(signatures, "signature")} since ${from}`,
          `epoch ${state.epoch}, root ${root}`,
        ],
      };
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "membership_rejected") throw error;
      const { message, remedy } = error;
      return {
        document: { intact: false, message, remedy },
        lines: [{ tone: "bad", text: message }, ...(remedy === undefined ? [] : [`  ${remedy}`])],
        exit: exitCode.corrupt,
      };
    }
  },
});
