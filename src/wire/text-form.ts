/**
 * text-form is how a record is written so that people can carry it: a prefix that says what it is, and
 * the base64url of its canonical JSON. There is one spelling for each record.
 */
import * as v from "valibot";
import { decodeBase64Url, decodeUtf8, encodeBase64Url } from "../base/bytes.ts";
import { type CanonicalValue, decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";

const textMax = 2_000;

export type TextForm<T> = {
  readonly encode: (record: T) => string;
  /** Null for anything but a whole record in its one spelling. Blanks around it are forgiven. */
  readonly parse: (text: string) => T | null;
};

/** The form of the records that fit the schema. `prefix` ends with a dot. */
export function textFormOf<S extends v.GenericSchema<unknown, CanonicalValue>>(
  prefix: `${string}.`,
  schema: S,
): TextForm<v.InferOutput<S>> {
  return {
    encode: (record) => prefix + encodeBase64Url(encodeCanonical(record)),
    parse: (text) => {
      const trimmed = text.trim();
      if (!trimmed.startsWith(prefix) || trimmed.length > textMax) return null;
      const bytes = decodeBase64Url(trimmed.slice(prefix.length));
      if (bytes === null || decodeUtf8(bytes) === null) return null;
      const decoded = decodeCanonical(bytes);
      if (!decoded.ok) return null;
      const parsed = v.safeParse(schema, decoded.value);
      return parsed.success ? parsed.output : null;
    },
  };
}
