/** membership-audit words what shows that the audit trail is whole, line by line, and reads it again. */
import type { JudgedDrill } from "./drills.ts";
import type { MembershipReport } from "./membership-report.ts";

/** Commands of drills that verify a trail or a log. */
const verifying = /^rustynet (?:audit|membership verify-log)\b/;

export type AuditMaterial = {
  readonly about: Pick<MembershipReport, "commit" | "tree" | "at">;
  readonly rows: MembershipReport["rows"];
  readonly drills: readonly JudgedDrill[];
  /** The reports as they lie there, by name. */
  readonly reports: Readonly<Record<string, string>>;
};

const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

export function auditLines({ about, rows, drills, reports }: AuditMaterial): readonly string[] {
  const commands = drills.flatMap(({ name, evidence }) =>
    (evidence?.steps ?? [])
      .flatMap((step) => step.commands)
      .filter(({ command }) => verifying.test(command))
      .map((one) => `drill ${name}: ${one.who}: ${one.command}: exit ${one.exitCode}`),
  );
  const isWhole = rows.every(({ passes }) => passes) && commands.length > 0;
  return [
    `at ${about.at}`,
    `commit ${about.commit}`,
    `tree ${about.tree}`,
    ...rows.flatMap(({ row, cases, findings }) => [
      ...cases.map((one) => `${one.outcome} ${one.file}: ${one.name} (${one.assertions}) [${row}]`),
      ...findings.map((finding) => `finding ${finding} [${row}]`),
    ]),
    ...commands,
    ...Object.entries(reports).map(([name, text]) => `report ${name} sha256 ${sha256(text)}`),
    `verdict ${isWhole ? "pass" : "fail"}`,
  ];
}

/** What is wrong with the log as it lies there. When it was written is the one thing that is its own. */
export function auditLogFindings(
  text: string | null,
  expected: readonly string[],
): readonly string[] {
  if (text === null) return ["it is not there"];
  const own = (lines: readonly string[]) => lines.filter((line) => !line.startsWith("at "));
  const lines = text.trimEnd().split("\n");
  return [
    ...(own(lines).join("\n") === own(expected).join("\n")
      ? []
      : ["it is not what follows from what ran"]),
    ...(lines.at(-1) === "verdict pass" ? [] : ["it says fail"]),
  ];
}
