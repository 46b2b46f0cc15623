/** trace-files reads the index and the mapping, and holds them against the files that there are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { gateNames } from "./gate-names.ts";
import { flawsOf, Index, Mapping } from "./trace.ts";

export const readIndex = async (root: string): Promise<Index> =>
  v.parse(Index, await Bun.file(join(root, "docs/requirements.json")).json());

export const readMapping = async (root: string): Promise<Mapping> =>
  v.parse(Mapping, await Bun.file(join(root, "docs/traceability.map.json")).json());

export const flawsIn = (root: string, index: Index, mapping: Mapping): readonly string[] =>
  flawsOf(index, mapping, {
    gates: new Set(gateNames),
    exists: (path) => existsSync(join(root, path)),
  });
