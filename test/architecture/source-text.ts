/**
 * source-text reads TypeScript just closely enough for the architecture rules: which characters are
 * code, which are quoted text, which are comment.
 */

export type Token = { readonly kind: "code" | "text" | "comment"; readonly text: string };

const comment = String.raw`\/\*[\s\S]*?\*\/|\/\/[^\n]*`;
const quoted = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'`;
// After a value a slash divides; at the start of one it opens a regular expression.
const valueStarts = String.raw`(?<=(?:^|[(,=:[!&|?{};+>]|\breturn)\s*)`;
const regex = String.raw`${valueStarts}\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*`;
// Template text, up to its end or to the next value inside it.
const template = String.raw`(?:[^${"`"}\\$]|\\[\s\S]|\$(?!\{))*(?:${"`"}|\$\{)`;

const next = new RegExp(`(${comment})|(${quoted}|${regex}|\`${template})|[{}]`, "g");
const templateGoesOn = new RegExp(`\\}${template}`, "y");

function matchFrom(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Returns the whole text in pieces, in order: joined, they are the text again. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  // One number for each template text around the present place: the braces open in its value.
  const open: number[] = [];
  let done = 0;
  for (let match = matchFrom(next, text, 0); match !== null;) {
    const { index } = match;
    const found = classify(match, text, open);
    if (found.kind !== "code") {
      if (index > done) tokens.push({ kind: "code", text: text.slice(done, index) });
      tokens.push(found);
      done = index + found.text.length;
    }
    match = matchFrom(next, text, index + found.text.length);
  }
  if (done < text.length) tokens.push({ kind: "code", text: text.slice(done) });
  return tokens;
}

function classify(match: RegExpExecArray, text: string, open: number[]): Token {
  const [whole, asComment, asText] = match;
  if (asComment !== undefined) return { kind: "comment", text: whole };
  if (asText !== undefined) {
    if (whole.startsWith("`") && whole.endsWith("${")) open.push(0);
    return { kind: "text", text: whole };
  }
  const depth = open.pop();
  if (depth === undefined) return { kind: "code", text: whole };
  if (whole === "{" || depth > 0) {
    open.push(depth + (whole === "{" ? 1 : -1));
    return { kind: "code", text: whole };
  }
  const rest = matchFrom(templateGoesOn, text, match.index)?.[0] ?? whole;
  if (rest.endsWith("${")) open.push(0);
  return { kind: "text", text: rest };
}

/** Returns the text with a space for each comment. */
export function withoutComments(text: string): string {
  const pieces = tokensOf(text).map((token) => (token.kind === "comment" ? " " : token.text));
  return pieces.join("");
}

/** Returns what is executed and nothing that is only said: a space for each comment and quoted text. */
export function codeOnly(text: string): string {
  const pieces = tokensOf(text).map((token) => (token.kind === "code" ? token.text : " "));
  return pieces.join("");
}
