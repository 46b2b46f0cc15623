/** proposing is what commands that propose have in common: how long, upon what, and how values are read. */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import type { Membership } from "../membership/membership.ts";
import type { Proposal } from "../membership/proposal.ts";
import { updateLifetimeMaxS } from "../membership/update.ts";
import { Owner, Tag } from "../model/names.ts";
import type { OpenedDossier } from "../wire/dossier.ts";
import type { Arguments } from "./command.ts";
import { deskOptions } from "./desk.ts";
import { keyOf, openOnes, type Signer } from "./membership-text.ts";
import { parseDurationS } from "./quantity.ts";
import { quoted } from "./text.ts";

export const lifetimeOption = {
  lifetime: {
    type: "string",
    valueHint: "TIME",
    description: "How long others have to sign",
    default: "7d",
  },
} as const satisfies Arguments;

export function parseLifetimeS(text: string): number {
  const lifetimeS = parseDurationS("--lifetime", text);
  if (lifetimeS >= 60 && lifetimeS <= updateLifetimeMaxS) return lifetimeS;
  throw new Fault("usage", "--lifetime is at least 1m and at most 30d");
}

/**
 * Where the proposals lead that this desk has signed, or signs now: the next one follows them. One that
 * somebody will not sign is not to hold up what they propose themselves.
 */
export function tipOf(
  opened: OpenedDossier,
  signer: Signer,
  signing: readonly Proposal[] = [],
): Membership {
  const mine = keyOf(opened, signer);
  const isOurs = (each: Proposal): boolean =>
    signing.includes(each) || each.envelope.signatures.some(({ keyid }) => keyid === mine);
  const roots = new Set([opened.membership.root]);
  let tip = opened.membership;
  // They ascend by epoch, so each comes after what it builds on.
  for (const each of openOnes(opened)) {
    if (!roots.has(each.update.parent) || !isOurs(each)) continue;
    roots.add(each.update.root);
    if (each.leadsTo.state.epoch > tip.state.epoch) tip = each.leadsTo;
  }
  return tip;
}

/** What every one of these commands takes. */
export const everyChange = {
  "dry-run": { type: "boolean", description: "Print the change and sign nothing" },
  ...lifetimeOption,
  ...deskOptions,
} as const satisfies Arguments;

export const tagOption = {
  tag: {
    type: "string",
    valueHint: "TAG",
    description: "Tag; may be repeated",
    repeats: true,
  },
} as const satisfies Arguments;

/** What somebody typed, by a schema. Throws Fault `usage`. */
export function parsed<S extends v.GenericSchema>(
  schema: S,
  text: unknown,
  what: string,
): v.InferOutput<S> {
  const found = v.safeParse(schema, text);
  if (found.success) return found.output;
  throw new Fault("usage", `${quoted(String(text))} is ${what}`);
}

export const parseOwner = (text: string): Owner =>
  parsed(Owner, text, "no owner: an account or e-mail");

export function parseTags(text: string | undefined): Tag[] {
  const tags = text === undefined ? [] : text.split(",");
  return [...new Set(tags.map((tag) => parsed(Tag, tag, "no tag: a-z, 0-9 and -")))].toSorted();
}
