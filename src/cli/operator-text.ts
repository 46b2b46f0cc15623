/** operator-text words what the control server keeps: credentials, nodes, and the audit trail. */
import type { NodeAuditRecord } from "../wire/local-api.ts";
import type { AuditRecord, Credential, NodeReport } from "../wire/control-api.ts";
import { type Line, plural, renderMoment, renderSpan, renderTable } from "./text.ts";

const idDigits = 12;

export function renderCredentials(
  credentials: readonly Credential[],
  nowS: number,
): readonly Line[] {
  if (credentials.length === 0) return ["no credentials; rustynet credential create makes one"];
  return renderTable(
    [
      { title: "ID" },
      { title: "OWNER" },
      { title: "TAGS" },
      { title: "STATE" },
      { title: "USES", align: "right" },
      { title: "EXPIRES" },
      { title: "BY" },
    ],
    credentials.map((each) => [
      each.id,
      each.owner,
      each.tags.join(" "),
      each.state,
      `${each.uses}/${each.usesMax}`,
      wordExpiry(each, nowS),
      each.createdBy,
    ]),
  );
}

function wordExpiry({ expiresAt, state }: Credential, nowS: number): string {
  if (expiresAt <= nowS) return `${renderSpan(nowS - expiresAt)} ago`;
  return state === "created" ? `in ${renderSpan(expiresAt - nowS)}` : "";
}

export function renderNodes(nodes: readonly NodeReport[], nowS: number): readonly Line[] {
  if (nodes.length === 0) return ["no nodes; rustynet credential create invites one"];
  return renderTable(
    [
      { title: "ADDRESS" },
      { title: "NAME" },
      { title: "OWNER" },
      { title: "TAGS" },
      { title: "STATUS" },
      { title: "SEEN" },
      { title: "MAP", align: "right" },
      { title: "OS" },
      { title: "SOFTWARE" },
      { title: "ID" },
    ],
    nodes.map((report) => [
      report.node.ipv4,
      report.node.name,
      report.node.owner,
      report.node.tags.join(" "),
      report.node.status,
      wordPresence(report, nowS),
      report.appliedGeneration === null ? "" : String(report.appliedGeneration),
      report.os ?? "",
      report.software ?? "",
      report.node.id.slice(0, idDigits),
    ]),
  );
}

/** Ids are recognised by their beginning, which every command takes; the JSON has all of them. */
const shorten = (subject: string): string =>
  /^[0-9a-f]{32,}$/.test(subject) ? subject.slice(0, idDigits) : subject;

function wordPresence({ presence, lastSeenAt }: NodeReport, nowS: number): string {
  if (presence !== "offline" || lastSeenAt === null) return presence;
  return `offline for ${renderSpan(nowS - lastSeenAt)}`;
}

/** The verdict on the chain comes last, where it is read. */
export function renderAudit(records: readonly AuditRecord[], isIntact: boolean): readonly Line[] {
  const table = renderTable(
    [
      { title: "NO", align: "right" },
      { title: "AT" },
      { title: "ACTOR" },
      { title: "EVENT" },
      { title: "SUBJECT" },
      { title: "DETAIL" },
    ],
    records.map(({ sequence, at, actor, event, subject, detail }) => [
      String(sequence),
      renderMoment(at),
      actor,
      event,
      shorten(subject),
      detail,
    ]),
  );
  const count = plural(records.length, "record");
  const verdict: Line = isIntact
    ? { tone: "good", text: `# ${count}, the chain is intact` }
    : { tone: "bad", text: `# ${count}, and the chain is BROKEN: a record was changed or removed` };
  const remedy = "#     compare with a backup of the database, and find out who could write to it";
  return [...table, verdict, ...(isIntact ? [] : [remedy])];
}

/** What a node has seen: one line a record, and below it what the words in it are. */
export function renderNodeAudit(records: readonly NodeAuditRecord[]): readonly Line[] {
  const table = renderTable(
    [
      { title: "AT" },
      { title: "EPOCH", align: "right" },
      { title: "EVENT" },
      { title: "CODE" },
      { title: "BY" },
      { title: "WHAT" },
    ],
    records.map(({ at, epoch, event, code, by, words, times }) => [
      renderMoment(at),
      String(epoch),
      event,
      code,
      by.join(", "),
      words.join("; ") + (times > 1 ? ` (${times} times)` : ""),
    ]),
  );
  return [...table, `# ${plural(records.length, "record")}, as this node saw it`];
}
