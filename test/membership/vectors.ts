/** vectors reads the frozen files of a folder, and names the codes that they expect. */
import { basename } from "node:path";
import { Glob } from "bun";
import * as v from "valibot";
import type { Result } from "../../src/base/result.ts";
import type { Rejection } from "../../src/membership/rejection.ts";
import { LogEntry } from "../../src/membership/update.ts";
import { StateRoot } from "../../src/model/ids.ts";
import { codeOf } from "../support/world.ts";

const home = `${import.meta.dir}/../vectors`;

/** What every vector begins with: a network, and the clock of who judges. */
export const log = {
  genesis: v.unknown(),
  genesisRoot: StateRoot,
  now: v.number(),
  entries: v.optional(v.array(LogEntry), []),
};

export async function readVectors<T extends v.GenericSchema>(folder: string, schema: T) {
  const files = [...new Glob("*.json").scanSync(`${home}/${folder}`)].sort();
  return await Promise.all(
    files.map(async (file) => {
      const vector: v.InferOutput<T> = v.parse(
        schema,
        await Bun.file(`${home}/${folder}/${file}`).json(),
      );
      return { name: basename(file, ".json"), vector };
    }),
  );
}

/** The code, with what there is behind it: the envelope's own, or the field that differs. */
export function codesOf(outcome: Result<unknown, Rejection>): string {
  if (outcome.ok) return codeOf(outcome);
  const { error } = outcome;
  if (error.code === "snapshot_mismatch") return `${error.code}: ${error.field}`;
  return error.code === "envelope_refused" ? `${error.code}: ${error.why.code}` : error.code;
}
