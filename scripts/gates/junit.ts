/** junit reads the test runner's reports: every case, what became of it, and how much it asked. */

export type TestCase = {
  readonly file: string;
  /** With the groups that it stands in: `group > name`. */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly assertions: number;
};

const entities: Readonly<Record<string, string>> = {
  "&quot;": '"',
  "&apos;": "'",
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
};

const decode = (text: string): string =>
  text
    .replaceAll(/&(?:quot|apos|lt|gt|amp);/g, (entity) => entities[entity] ?? entity)
    .replaceAll(/&#x([0-9a-f]+);/gi, (_, hex: string) => String.fromCodePoint(parseInt(hex, 16)))
    .replaceAll(/&#(\d+);/g, (_, number: string) => String.fromCodePoint(Number(number)));

const element = /<testcase\b((?:\s+[\w-]+="[^"]*")*)\s*(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** Returns the cases of one report, in its order. */
export function casesOf(xml: string): readonly TestCase[] {
  return [...xml.matchAll(element)].map(([, attributes = "", body = ""]) => {
    const read = (name: string): string =>
      decode(new RegExp(`\\s${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const group = read("classname");
    const isFailed = /<(?:failure|error)\b/.test(body);
    const isSkipped = /<skipped\b/.test(body);
    return {
      file: read("file"),
      name: group === "" ? read("name") : `${group} > ${read("name")}`,
      outcome: isFailed ? "failed" : isSkipped ? "skipped" : "passed",
      assertions: Number(read("assertions") || "0"),
    };
  });
}
