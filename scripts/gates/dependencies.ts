/** dependencies judges what others wrote and we build in: where it is from, its licence, and known holes. */
import * as v from "valibot";

/** Licences that ask for no more than to be named. */
export const licencesAllowed: ReadonlySet<string> = new Set([
  ...["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"],
]);

/** Packages that must not come in again, and why. */
export const banned: Readonly<Record<string, string>> = {
  elliptic: "its verifier takes signatures that others refuse",
  "node-forge": "cryptography by hand, with a history of forged signatures",
  request: "nobody maintains it",
  shelljs: "it starts shells",
  execa: "programs are started by Bun.spawn, with their arguments",
  vm2: "a sandbox that was broken for good",
};

/** Only these may run a program of theirs when they are installed: Bun fetches itself so. */
const scriptsAllowed: ReadonlySet<string> = new Set(["bun"]);

const Licences = v.record(
  v.string(),
  v.array(v.object({ name: v.string(), versions: v.array(v.string()) })),
);

/** `text`: what `bun pm licenses --json` says. */
export function licenceFindings(text: string): readonly string[] {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Licences), text);
  if (!parsed.success) return [`not measurable: licences (${v.summarize(parsed.issues)})`];
  const groups = Object.entries(parsed.output);
  if (groups.length === 0) return ["not measurable: no package has a licence"];
  return groups.flatMap(([licence, packages]) =>
    licencesAllowed.has(licence)
      ? []
      : packages.map(
          ({ name, versions }) => `licence ${licence} of ${name} ${versions.join(", ")}`,
        ),
  );
}

const Lock = v.object({
  workspaces: v.record(
    v.string(),
    v.object({
      dependencies: v.optional(v.record(v.string(), v.string())),
      devDependencies: v.optional(v.record(v.string(), v.string())),
    }),
  ),
  trustedDependencies: v.optional(v.array(v.string())),
  packages: v.record(v.string(), v.array(v.unknown())),
});

/** `lock`: bun.lock as a value. Everything must be of a registry, pinned, and known by its hash. */
export function sourceFindings(lock: unknown): readonly string[] {
  const parsed = v.safeParse(Lock, lock);
  if (!parsed.success) return [`not measurable: bun.lock (${v.summarize(parsed.issues)})`];
  const { workspaces, packages, trustedDependencies = [] } = parsed.output;
  const wanted = Object.values(workspaces).flatMap((one) =>
    Object.entries({ ...one.dependencies, ...one.devDependencies }),
  );
  return [
    ...wanted
      .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${name} is not pinned: "${version}"`),
    ...trustedDependencies
      .filter((name) => !scriptsAllowed.has(name))
      .map((name) => `${name} may run a program when it is installed`),
    ...Object.values(packages).flatMap(packageFindings),
  ];
}

function packageFindings([spec, registry, , integrity]: readonly unknown[]): readonly string[] {
  if (typeof spec !== "string") return ["bun.lock holds a package without a name"];
  const name = spec.slice(0, spec.lastIndexOf("@"));
  const why = banned[name];
  return [
    ...(why === undefined ? [] : [`${name} is banned: ${why}`]),
    ...(registry === "" && /@\d[^:/]*$/.test(spec) ? [] : [`${spec} is not of the registry`]),
    ...(typeof integrity === "string" && integrity.startsWith("sha512-")
      ? []
      : [`${spec} has no SHA-512`]),
  ];
}

const Advisories = v.record(
  v.string(),
  v.array(
    v.object({
      id: v.optional(v.union([v.string(), v.number()])),
      url: v.optional(v.string()),
      title: v.string(),
      severity: v.string(),
    }),
  ),
);

/** What `bun audit --json` found. A registry that does not answer has told nothing about anything. */
export function auditFindings(outcome: {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}): readonly string[] {
  // For valibot a list is a record too.
  const NoList = v.check((value) => !Array.isArray(value), "a list");
  const Said = v.pipe(v.string(), v.parseJson(), NoList, Advisories);
  const parsed = v.safeParse(Said, outcome.stdout);
  if (!parsed.success) {
    const why = outcome.stderr
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/https?:\S+/, "the registry");
    return [`not measurable: the registry did not tell of vulnerabilities (${why || "no reason"})`];
  }
  const found = Object.entries(parsed.output).flatMap(([name, advisories]) =>
    advisories.map(({ id, url, title, severity }) => {
      const known = /GHSA-[\w-]+/.exec(url ?? "")?.[0] ?? `advisory ${id ?? "without a number"}`;
      return `${known}: ${name}, ${severity}, ${title}`;
    }),
  );
  if (found.length === 0 && outcome.exitCode !== 0) {
    return [`not measurable: the audit failed with ${outcome.exitCode} and named nothing`];
  }
  return found;
}
