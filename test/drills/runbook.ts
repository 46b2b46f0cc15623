/** runbook reads the commands out of a page, so that a drill can be held to typing all of them. */

/** The `rustynet` commands in the page's shell blocks, in order, without what explains them. */
export function commandsIn(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, body = ""]) => body);
  return blocks
    .flatMap((body) => body.split("\n"))
    .map((line) => line.replace(/\s+#.*$/, "").replace(/^sudo /, ""))
    .filter((line) => line.startsWith("rustynet "));
}

const words = (line: string): readonly string[] => line.split(/\s+/).filter(Boolean);
const isPlaceholder = (word: string): boolean => /^[A-Z][A-Z0-9_.-]*$/.test(word);

/** Whether `line` is the command of a page; what the page has in capitals stands for anything. */
export function wasTyped(command: string, line: string): boolean {
  const [wanted, typed] = [words(command), words(line)];
  return (
    wanted.length <= typed.length &&
    wanted.every((word, i) => isPlaceholder(word) || word === typed[i])
  );
}
