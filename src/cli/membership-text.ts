/** membership-text words what is decided, what waits, and whose turn it is. */
import { fingerprintOf } from "../crypto/fingerprint.ts";
import { nodeIdOf } from "../membership/membership.ts";
import type { Judged, Proposal } from "../membership/proposal.ts";
import { newcomerOf } from "../membership/quorum.ts";
import { activeApprovers, type State } from "../membership/state.ts";
import type { Operation } from "../membership/update.ts";
import type { SigningKey } from "../model/keys.ts";
import type { Outcome } from "../wire/control-api.ts";
import type { Objection, OpenedDossier, OpenedRequest } from "../wire/dossier.ts";
import type { Desk } from "./desk.ts";
import { type Line, plural, renderField, renderSpan, renderTable } from "./text.ts";

/** As much of an id as is typed. */
export const idDigits = 12;
const field = (label: string, text: string): Line => renderField(label, text, 11);

/** Whose signature a desk gives. */
export type Signer = Pick<Desk, "key" | "signer">;

export const openOnes = ({ proposals }: OpenedDossier): readonly Proposal[] =>
  proposals.flatMap((judged: Judged) => (judged.kind === "open" ? [judged.proposal] : []));

/** Whose key this desk signs with; null when it can only look. */
/** The key that signs there; null where nobody's does. */
export function keyOf({ membership }: OpenedDossier, { key, signer }: Signer): SigningKey | null {
  const known = activeApprovers(membership.state).find(({ name }) => name === signer);
  return key ?? known?.key ?? null;
}

/** Open proposals that a signature given here would bring further: any other would be refused. */
export function proposalsFor(opened: OpenedDossier, signer: Signer): readonly Proposal[] {
  const mine = keyOf(opened, signer);
  return openOnes(opened).filter(({ envelope, update, tally }) => {
    const hasSay =
      tally.missing.some(({ key }) => key === mine) || newcomerOf(update.operation) === mine;
    return hasSay && !envelope.signatures.some(({ keyid }) => keyid === mine);
  });
}

/** Requests that nobody has proposed to admit yet. */
export function unproposed(opened: OpenedDossier): readonly OpenedRequest[] {
  const proposed = new Set(
    openOnes(opened).flatMap(({ update: { operation } }) =>
      operation.kind === "add_node" ? [operation.node.key] : [],
    ),
  );
  return opened.requests.filter(({ request }) => !proposed.has(request.key));
}

export function renderMembership(
  opened: OpenedDossier,
  signer: Signer,
  nowS: number,
): readonly Line[] {
  const { state, root, checkpoint } = opened.membership;
  const since = state.epoch - (checkpoint?.state.epoch ?? 0);
  return [
    field("network", state.network),
    field("quorum", wordQuorum(state)),
    field("epoch", `${state.epoch}, root ${root}`),
    field("nodes", wordNodes(state)),
    field("vouchers", String(state.vouchers.size)),
    field("policy", wordPolicy(state)),
    field(
      "checkpoint",
      `${checkpoint === null ? "none yet" : `at epoch ${checkpoint.state.epoch}`}, ${plural(since, "change")} since`,
    ),
    field("signs here", signer.signer ?? "nobody: this place can only look"),
    ...renderPending(opened, signer, nowS),
  ];
}

export function wordQuorum(state: State): string {
  const active = activeApprovers(state);
  const names = active.map(({ name, role }) => `${name} (${role})`);
  return `${state.threshold} of ${active.length}: ${names.join(", ")}`;
}

function wordNodes({ nodes }: State): string {
  const counts = new Map<string, number>();
  for (const { status } of nodes.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
  const texts = [...counts].map(([status, count]) => `${count} ${status}`);
  return texts.length === 0 ? "none" : texts.join(", ");
}

const wordPolicy = ({ policy }: State): string =>
  policy.kind === "document"
    ? `the document with hash ${policy.hash}`
    : "nodes of one owner reach each other";

/** What waits, and the exact next command. */
export function renderPending(
  opened: OpenedDossier,
  signer: Signer,
  nowS: number,
): readonly Line[] {
  const open = openOnes(opened);
  const waiting = unproposed(opened);
  return [
    "",
    ...(open.length === 0 ? ["no proposal waits"] : renderProposals(open, nowS)),
    ...opened.objections.map(wordObjection),
    ...(waiting.length === 0 ? [] : ["", ...renderRequests(waiting, nowS)]),
    "",
    `# next: ${nextCommand(opened, waiting, signer)}`,
  ];
}

const wordObjection = ({ proposal, approver, reason }: Objection): Line => ({
  tone: "warning",
  text: `${proposal.slice(0, idDigits)}  ${approver} is against it: ${reason}`,
});

function renderProposals(open: readonly Proposal[], nowS: number): readonly Line[] {
  return renderTable(
    [
      { title: "PROPOSAL" },
      { title: "EPOCH", align: "right" },
      { title: "CHANGE" },
      { title: "SIGNED" },
    ],
    open.map(({ update, words, tally }) => [
      update.id.slice(0, idDigits),
      String(update.epoch),
      words[0] ?? "",
      wordTally({
        need: tally.need,
        signed: tally.signed.map(({ name }) => name),
        missing: tally.missing.map(({ name }) => name),
        expiresAt: update.expiresAt,
        nowS,
      }),
    ]),
  );
}

function renderRequests(waiting: readonly OpenedRequest[], nowS: number): readonly Line[] {
  return renderTable(
    [
      { title: "MACHINE" },
      { title: "NAME" },
      { title: "OWNER" },
      { title: "TAGS" },
      { title: "FINGERPRINT" },
      { title: "ASKED" },
    ],
    waiting.map(({ request: { key, name }, owner, tags, askedAt }) => [
      nodeIdOf(key).slice(0, idDigits),
      name,
      owner,
      tags.join(" "),
      fingerprintOf(key),
      `${renderSpan(nowS - askedAt)} ago`,
    ]),
  );
}

function nextCommand(
  opened: OpenedDossier,
  waiting: readonly OpenedRequest[],
  signer: Signer,
): string {
  const isApprover = signer.signer !== null;
  if (isApprover && (proposalsFor(opened, signer).length > 0 || waiting.length > 0))
    return "rustynet membership sign --all --dry-run, which says how to sign exactly what it shows";
  const missing = new Set(
    openOnes(opened).flatMap(({ tally }) => tally.missing.map(({ name }) => name)),
  );
  if (missing.size > 0) return `ask ${[...missing].join(" or ")}: rustynet membership sign --all`;
  return "nothing has to be done";
}

/** `1 of 2: alice; missing bob, carol; expires in 23 h`. */
export function wordTally(told: {
  readonly need: number;
  readonly signed: readonly string[];
  readonly missing: readonly string[];
  readonly expiresAt: number;
  readonly nowS: number;
}): string {
  const { need, signed, missing, expiresAt, nowS } = told;
  const who = signed.length === 0 ? "" : `: ${signed.join(", ")}`;
  const rest = missing.length === 0 ? "" : `; missing ${missing.join(", ")}`;
  return `${signed.length} of ${need}${who}${rest}; expires in ${renderSpan(expiresAt - nowS)}`;
}

/** What became of each, after something was signed. */
export function renderOutcomes(outcomes: readonly Outcome[], nowS: number): readonly Line[] {
  return outcomes.map(({ id, state, words, why, ...tally }) => {
    const what = `${id.slice(0, idDigits)} ${words[0] ?? ""}`;
    if (state === "applied") return { tone: "good", text: `decided   ${what}` } as const;
    if (state === "pending") return `waits     ${what}: ${wordTally({ ...tally, nowS })}`;
    const because = why === null ? "" : `: ${why}`;
    return { tone: "bad", text: `${state.padEnd(9)} ${what}${because}` } as const;
  });
}

/**
 * What a change says, with the fingerprint of whose key it brings in: the machine or the person shows the
 * same one, and everybody who signs can compare.
 */
export function wordsToSign(words: readonly string[], operation: Operation): readonly string[] {
  const key = keyBroughtIn(operation);
  return key === null ? words : [...words, `fingerprint: ${fingerprintOf(key)}`];
}

function keyBroughtIn(operation: Operation): SigningKey | null {
  if (operation.kind === "add_node") return operation.node.key;
  return operation.kind === "rotate_node_key" ? operation.key : newcomerOf(operation);
}

/** Everything that a change says, line by line, as it is read before it is signed. */
export function renderWords(words: readonly string[]): readonly Line[] {
  return words.map((word, i) => (i === 0 ? word : `    ${word}`));
}
