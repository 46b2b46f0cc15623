/**
 * rules: the architecture as functions over one file's path and text. Each returns what is wrong in
 * words that say what to do, or nothing. docs/style.md says why the rules are these.
 */
import { isBuiltin } from "node:module";
import { dirname, join, normalize } from "node:path";
import { codeOnly, withoutComments } from "./source-text.ts";

/** A file below src/: its path as `folder/name.ts`. */
export type Source = { readonly path: string; readonly text: string };

const words = (text: string): readonly string[] => text.split(" ");

/** Which folders each folder may import from, besides itself. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: words("base"),
  crypto: words("base model"),
  kernel: words("base"),
  membership: words("base model crypto"),
  policy: words("base model membership"),
  dataplane: words("base model membership policy"),
  wire: words("base model crypto membership policy"),
  trust: words("base model crypto membership wire"),
  backend: words("base model kernel"),
  host: words("base model dataplane kernel"),
  store: words("base model crypto membership policy kernel"),
  client: words("base model crypto wire"),
  control: words("base model crypto membership policy wire store kernel"),
  daemon: words(
    "base model crypto membership policy dataplane wire trust backend host store kernel client",
  ),
  relay: words("base model crypto wire host kernel"),
  cli: words("base model crypto membership policy wire kernel store client"),
};

/** Time, chance, files and sockets reach these as arguments only. */
export const pureFolders: ReadonlySet<string> = new Set(
  words("base model crypto membership policy dataplane wire trust"),
);

/** What src/crypto may use of node:crypto: the same arguments give the same result. */
const deterministic: ReadonlySet<string> = new Set(
  words(
    "createHash createHmac hash createPublicKey createPrivateKey verify sign hkdfSync timingSafeEqual " +
      "diffieHellman argon2Sync KeyObject",
  ),
);

const verifierFile = "crypto/ed25519.ts";
const folderOf = (path: string): string => path.split("/")[0] ?? "";

type Import = {
  readonly from: string;
  /** The names between the braces, as they are called where they come from; `*` for all of them. */
  readonly names: readonly string[];
  readonly isReexport: boolean;
  readonly isType: boolean;
};

const statement =
  /\b(import|export)\b(\s+type\b)?([^;"'()=]*?)(?:\bfrom\s*)?(?:"([^"\n]+)"|'([^'\n]+)')/g;

/** Returns every import and re-export, those of types included. */
export function importsOf(text: string): readonly Import[] {
  return [...withoutComments(text).matchAll(statement)].map((match) => {
    const [, word, type, clause = "", double, single] = match;
    const braces = /\{([^}]*)\}/.exec(clause)?.[1]?.split(",") ?? [];
    const names = braces.map((name) => name.trim().replace(/^type\s+/, ""));
    const whole = clause
      .replace(/\{[^}]*\}/, "")
      .replaceAll(",", "")
      .trim();
    return {
      from: double ?? single ?? "",
      names: [
        ...names.map((name) => name.split(/\s+as\s+/)[0] ?? "").filter((name) => name !== ""),
        ...(whole === "" ? [] : ["*"]),
      ],
      isReexport: word === "export",
      isType: type !== undefined,
    };
  });
}

/** Folders beside src/ whose files are built into the executable, and by whom. */
const embeds: Readonly<Record<string, string>> = { cli: "../systemd/" };

export function strayImports({ path, text }: Source): readonly string[] {
  const folder = folderOf(path);
  if (path === "main.ts") return [];
  const allowed = mayImport[folder];
  if (allowed === undefined) return [`src/${folder}/ is in no row of the import table`];
  return importsOf(text)
    .filter(({ from }) => from.startsWith("."))
    .flatMap(({ from }) => {
      const target = normalize(join(dirname(path), from));
      const [to = "", ...rest] = target.split("/");
      if (to === folder) return [];
      if (to === ".." && target.startsWith(embeds[folder] ?? "none")) return [];
      if (!allowed.includes(to)) return [`${folder} may not import ${target}`];
      const isPrivate = rest.some((part) => part.startsWith("_"));
      return isPrivate ? [`${target} is private to src/${to}/`] : [];
    });
}

export function reexports({ text }: Source): readonly string[] {
  return importsOf(text)
    .filter(({ isReexport }) => isReexport)
    .map(({ from }) => `import from ${from} where it is needed, instead of passing it on`);
}

const effects = words(
  "Bun process fetch console navigator performance globalThis crypto setTimeout setInterval " +
    String.raw`setImmediate Worker WebSocket require Date\.now Math\.random Temporal\.Now`,
);
// A name that is a property of something else, or that names a field, is not the global.
const effect = new RegExp(
  String.raw`(?<![.\w$#])(?:(?:${effects.join("|")})\b(?!\s*\??:)|Date\s*\(\s*\)|import\.meta\b)`,
  "g",
);

export function impurities({ path, text }: Source): readonly string[] {
  const folder = folderOf(path);
  if (!pureFolders.has(folder)) return [];
  const outside = importsOf(text).filter(({ from }) => isBuiltin(from) || /^bun\b/.test(from));
  const imports = outside.flatMap((one) =>
    one.from === "node:crypto" && folder === "crypto"
      ? nativeNames(one, text).filter((name) => !deterministic.has(name))
      : [one.from],
  );
  const globals = [...codeOnly(text).matchAll(effect)].map(([name]) => name);
  return [...imports, ...globals].map((name) => `${name} is an effect: take it as an argument`);
}

/** Returns what is used of node:crypto, for an import by names or of the whole module. */
function nativeNames(one: Import, text: string): readonly string[] {
  if (!one.names.includes("*")) return one.names;
  const local = /\bimport\s+\*\s+as\s+(\w+)\s+from\s+"node:crypto"/.exec(
    withoutComments(text),
  )?.[1];
  if (local === undefined) return ["node:crypto as a whole"];
  const uses = codeOnly(text).matchAll(
    new RegExp(String.raw`(?<![.\w$#])${local}\b(?:\.(\w+))?`, "g"),
  );
  const names = [...uses].map(([, name]) => name);
  // The import statement is itself one use without a name; any other would let the module escape.
  const bare = names.filter((name) => name === undefined).length;
  return [
    ...names.filter((name) => name !== undefined),
    ...(bare > 1 ? ["node:crypto as a value"] : []),
  ];
}

const verifiers = ["verify", "createVerify", "Verify", "*"];

/** Native and library verifiers disagree on crafted input: one module verifies, and all others ask it. */
export function strayVerifications({ path, text }: Source): readonly string[] {
  if (path === verifierFile) return [];
  const imports = importsOf(text).flatMap((one) => {
    if (/^@noble\/(?:ed25519|curves)/.test(one.from)) return [one.from];
    if (!/^(?:node:)?crypto$/.test(one.from)) return [];
    const used = one.names.includes("*") ? nativeNames(one, text) : one.names;
    return used.filter((name) => verifiers.includes(name) || name.includes(" "));
  });
  const subtle = [...codeOnly(text).matchAll(/\bsubtle\s*\.\s*verify\b/g)].map(([name]) => name);
  return [...imports, ...subtle].map((name) => `${name}: verify with src/${verifierFile} instead`);
}

export function lazyImports({ path, text }: Source): readonly string[] {
  if (path === "main.ts") return [];
  const lazy = codeOnly(text).match(/\bimport\s*\(/g) ?? [];
  return lazy.map(() => "only src/main.ts loads modules late");
}

export function missingHeader({ text }: Source): readonly string[] {
  const header = /^\/\*\*\s+(?:\* )?\S[\s\S]*?\*\//.exec(text)?.[0];
  if (header !== undefined && /[.:]\s*\*\/$/.test(header)) return [];
  return ["the file must open with a /** sentence. */ that says what it owns"];
}

const linesMax = 500;
export const linesNotice = 300;
export const linesOf = (text: string): number => text.trimEnd().split("\n").length;

export function excessLines({ text }: Source): readonly string[] {
  const lines = linesOf(text);
  return lines > linesMax ? [`${lines} lines: split it, ${linesMax} are the most`] : [];
}

const tunnelWord = /wireguard|\bwg[-_]|wgctrl/gi;

/** Only the adapter knows what the tunnel is made of. The front door next to it may name its files. */
export function tunnelWords({ path, text }: Source): readonly string[] {
  if (path.startsWith("backend/wireguard/")) return [];
  const isFrontDoor = /^backend\/[^/]+$/.test(path);
  const said = isFrontDoor ? text.replaceAll(/from "\.\/wireguard\//g, 'from "./adapter/') : text;
  return [...`${path}\n${said}`.matchAll(tunnelWord)].map(
    ([word]) => `"${word}" may be said only in src/backend/wireguard/`,
  );
}

export function unfinished({ text }: Source): readonly string[] {
  const words = text.match(/\b(?:TODO|FIXME|XXX|HACK)\b/g) ?? [];
  return words.map((word) => `${word}: finish it, or write an issue`);
}

export function environmentReads({ path, text }: Source): readonly string[] {
  if (/^[^/]+\/config\.ts$/.test(path)) return [];
  const reads = codeOnly(text).match(/\b(?:process|Bun|import\.meta)\s*\.\s*env\b/g) ?? [];
  return reads.map((read) => `${read}: only the config.ts of a mode reads the environment`);
}

/** A shell would take data for commands. */
export function shells({ text }: Source): readonly string[] {
  const imports = importsOf(text).flatMap(({ from, names }) => {
    if (from === "bun") return names.filter((name) => name === "$");
    if (!/^(?:node:)?child_process$/.test(from)) return [];
    return names.filter((name) => ["exec", "execSync", "*"].includes(name));
  });
  const uses = codeOnly(text).match(/\bBun\s*\.\s*\$/g) ?? [];
  return [...uses, ...imports].map(
    (name) => `${name} is a shell: start programs by their arguments`,
  );
}

export const rules = {
  "imports only what its folder may": strayImports,
  "passes nobody else's names on": reexports,
  "is pure if its folder is": impurities,
  "verifies signatures in one place": strayVerifications,
  "leaves lazy loading to main.ts": lazyImports,
  "opens by saying what it owns": missingHeader,
  "is short enough to read": excessLines,
  "keeps the tunnel's make to its adapter": tunnelWords,
  "is finished": unfinished,
  "reads the environment only as configuration": environmentReads,
  "runs no shell": shells,
} as const satisfies Record<string, (source: Source) => readonly string[]>;

export type RuleName = keyof typeof rules;

/** A test file: its path as `folder/name.test.ts`, below test/. */
export function switchedTests({ text }: Source): readonly string[] {
  const uses = codeOnly(text).match(/\b(?:test|it|describe)\s*\.\s*(?:only|skip|todo)\b/g) ?? [];
  return uses.map((use) => `${use}: every test runs, always`);
}
