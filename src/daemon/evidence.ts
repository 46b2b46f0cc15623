/**
 * evidence keeps both of two changes that a quorum has signed upon one state. The one that this node
 * followed stays in force; that there is another is for people to look into.
 */
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { type Envelope, openEnvelope } from "../crypto/envelope.ts";
import { append, type Membership, openUpdate } from "../membership/membership.ts";
import { activeApprovers, type State } from "../membership/state.ts";
import { LogEntry } from "../membership/update.ts";
import { UpdateId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { Counter, UnixS } from "../model/time.ts";
import { readStateFile, writeStateFile } from "../store/atomic-file.ts";
import { type Disk, nodeDisk } from "../store/disk.ts";
import { Map as MapPayload, mapType } from "../wire/map.ts";
import { decodeJson, stateFault } from "./membership-file.ts";

export const evidenceName = "evidence";
const format = { kind: "membership-evidence", version: 1 } as const;
/** More of them prove nothing more. */
export const conflictsMax = 8;
const fileMaxBytes = 16 << 20;

export const Conflict = v.strictObject({
  /** The update that was not followed: people name the conflict by it. */
  id: UpdateId,
  epoch: Counter,
  foundAt: UnixS,
  followed: LogEntry,
  refused: LogEntry,
  state: v.picklist(["open", "resolved"]),
});
export type Conflict = v.InferOutput<typeof Conflict>;

export class EvidenceFile {
  readonly #path: string;
  readonly #disk: Disk;
  #conflicts: readonly Conflict[] | null = null;

  constructor(directory: string, disk: Disk = nodeDisk) {
    this.#path = join(directory, evidenceName);
    this.#disk = disk;
  }

  get conflicts(): readonly Conflict[] {
    return (this.#conflicts ??= this.#read());
  }

  /**
   * False when it is known already, or there is no room for more. The oldest that somebody has looked
   * into makes room: what was settled is not to hide what comes later.
   */
  add(conflict: Conflict): boolean {
    const known = this.conflicts;
    if (known.some(({ id }) => id === conflict.id)) return false;
    const settled = known.find(({ state }) => state === "resolved");
    const isFull = known.length >= conflictsMax;
    if (isFull && settled === undefined) return false;
    this.#write([...known.filter((each) => !isFull || each !== settled), conflict]);
    return true;
  }

  /** Both envelopes stay; that somebody has looked into it is noted. Throws `not_found`. */
  resolve(id: UpdateId): Conflict {
    const found = this.conflicts.find((each) => each.id === id);
    if (found === undefined)
      throw new Fault("not_found", `no conflict is called ${id}`, {
        remedy: "rustynet status shows those that are open",
      });
    const resolved: Conflict = { ...found, state: "resolved" };
    this.#write(this.conflicts.map((each) => (each.id === id ? resolved : each)));
    return resolved;
  }

  forget(): void {
    this.#conflicts = null;
  }

  #read(): readonly Conflict[] {
    const bytes = readStateFile(this.#path, format, this.#disk);
    if (bytes === null) return [];
    const parsed = v.safeParse(v.array(Conflict), decodeJson(bytes, fileMaxBytes));
    if (parsed.success) return parsed.output;
    throw stateFault(this.#path, v.summarize(parsed.issues));
  }

  #write(conflicts: readonly Conflict[]): void {
    writeStateFile(this.#path, format, encodeCanonical(conflicts), this.#disk);
    this.#conflicts = conflicts;
  }
}

/**
 * The first change in a refused map that a quorum has signed upon a state which this node has left by
 * another change; null when there is none. `steps` are the states that led here, in order, each with the
 * entry that followed it.
 */
export function findConflict(
  envelope: Envelope,
  steps: Iterable<{ readonly before: Membership; readonly entry: LogEntry }>,
  now: UnixS,
): Omit<Conflict, "foundAt" | "state"> | null {
  const offered = entriesOf(envelope);
  if (offered.size === 0) return null;
  for (const { before, entry: followed } of steps) {
    const refused = offered.get(before.root);
    if (refused === undefined || refused.envelope.payload === followed.envelope.payload) continue;
    const next = append(before, refused, now);
    const opened = openUpdate(refused.envelope);
    if (!next.ok || !opened.ok || !isOfQuorum(before.state, opened.value.signers)) return null;
    const { id, epoch } = opened.value.update;
    return { id, epoch, followed, refused };
  }
  return null;
}

/**
 * A node that leaves and a machine with a voucher sign their change anew when the log has moved on: two
 * of theirs are nobody's fault.
 */
function isOfQuorum(before: State, signers: ReadonlySet<SigningKey>): boolean {
  const count = activeApprovers(before).filter(({ key }) => signers.has(key)).length;
  return count >= before.threshold;
}

/** What a map offers, by the state that it is to follow. Nothing of it is believed by this. */
function entriesOf(envelope: Envelope): Map<string, LogEntry> {
  const opened = openEnvelope(envelope, mapType);
  const parsed = v.safeParse(MapPayload, opened.ok ? opened.value.value : null);
  const entries = parsed.success ? parsed.output.entries : [];
  return new Map(
    entries.flatMap((entry) => {
      const update = openUpdate(entry.envelope);
      return update.ok ? [[update.value.update.parent, entry] as const] : [];
    }),
  );
}
