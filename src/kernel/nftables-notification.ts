/** nftables-notification reads what nf_tables tells of changes, by whomever (linux/netfilter/nfnetlink.h). */
import type { Message } from "./netlink-message.ts";
import { fieldsOf, text } from "./nftables-fields.ts";
import { message, subsystem, tableField } from "./nftables.ts";

/** NFNLGRP_NFTABLES, the seventh group, as a bit. */
export const nftablesGroup = 1 << 6;

/** `struct nfgenmsg`. */
const headerSizeBytes = 4;

/** The name of the table in which something changed, or null when the message is of none. */
export function tableOfNotification({ type, payload }: Message): string | null {
  // The number of a new generation stands where all other messages name their table.
  if (type >> 8 !== subsystem || (type & 0xff) === message.newGeneration) return null;
  return text(fieldsOf(payload.subarray(headerSizeBytes)), tableField.name) ?? null;
}
