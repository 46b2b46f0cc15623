/**
 * names: what people call things. The alphabets are small on purpose: such a name means the same in
 * DNS, a log, a terminal and a page, and no two names look alike to a machine and differ.
 */
import * as v from "valibot";

/** A DNS label (RFC 1123 section 2.1), lower case, and no punycode, whose glyphs can deceive. */
const label = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "not a lower-case DNS label"),
  v.check((text) => !text.startsWith("xn--"), "a punycode label is not allowed"),
);

// Resolvers read 10 as the address 0.0.0.10, and 0x7f000001 as 127.0.0.1.
const number = /^(?:[0-9]+|0x[0-9a-f]*)$/;

export const NodeName = v.pipe(
  label,
  v.check((text) => !number.test(text), "a number is not a name"),
  v.brand("NodeName"),
);
export type NodeName = v.InferOutput<typeof NodeName>;

export const Tag = v.pipe(label, v.brand("Tag"));
export type Tag = v.InferOutput<typeof Tag>;

/** Owner is the person or group a node belongs to: an account name, or an e-mail address. */
export const Owner = v.pipe(
  v.string(),
  v.regex(/^[a-z0-9](?:[a-z0-9._+@-]{0,126}[a-z0-9])?$/, "not an account name"),
  v.brand("Owner"),
);
export type Owner = v.InferOutput<typeof Owner>;

export const ApproverName = v.pipe(label, v.brand("ApproverName"));
export type ApproverName = v.InferOutput<typeof ApproverName>;

/** InterfaceName is a Linux interface name: at most 15 bytes (linux/if.h IFNAMSIZ). */
export const InterfaceName = v.pipe(
  v.string(),
  v.regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/, "not an interface name"),
  v.brand("InterfaceName"),
);
export type InterfaceName = v.InferOutput<typeof InterfaceName>;
