/** http-answer is what every HTTP client of ours has in common: how a question is put, and how far an answer is read. */
import * as v from "valibot";
import { isFaultCode, Fault, type FaultCode } from "../base/fault.ts";
import { Refusal } from "../wire/control-api.ts";

const Query = v.record(v.string(), v.string());

/** The input of a GET as it stands behind the path: nothing, or `?` and the fields. */
export function queryOf(input: unknown): string {
  const query = new URLSearchParams(v.parse(Query, input)).toString();
  return query === "" ? "" : `?${query}`;
}

/**
 * Reads no further than an answer can be: a server that never ends would fill this host's memory.
 * Null when there is more than that.
 */
export async function readText(response: Response, lengthMax: number): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > lengthMax) return null;
  }
  return text + decoder.decode();
}

/** Undefined for what is no JSON, which then fits no schema. */
export function decodeJson(text: string): unknown {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), text);
  return parsed.success ? parsed.output : undefined;
}

/** Who was refused keeps the words and shows them: no more of them than anybody reads. */
const wordsMaxLength = 1_000;

/**
 * What the server refused with, or null when the body is no refusal. A code that only a newer server
 * knows becomes `unknown`; words that do not end are cut.
 */
export function faultOfRefusal(body: unknown, unknown: FaultCode): Fault | null {
  const parsed = v.safeParse(Refusal, body);
  if (!parsed.success) return null;
  const { code, message, remedy } = parsed.output;
  const known = isFaultCode(code) ? code : unknown;
  const cut = (words: string): string => words.slice(0, wordsMaxLength);
  return new Fault(known, cut(message), remedy === undefined ? {} : { remedy: cut(remedy) });
}
