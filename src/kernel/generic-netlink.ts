/** generic-netlink finds families by name and builds their messages (linux/genetlink.h). */
import { isNetlinkError, type Netlink } from "./netlink.ts";
import { attributeMap, MessageWriter, messageFlag, readU16 } from "./netlink-message.ts";

/** The family that knows the others, with its fixed number (GENL_ID_CTRL). */
const control = { id: 16, version: 2, getFamily: 3, attributeId: 1, attributeName: 2 } as const;

/** struct genlmsghdr stands before the attributes of every message. */
export const genericHeaderSizeBytes = 4;

/**
 * The number of a family, or null when this kernel has none of that name. Asking makes the kernel
 * look for a module that brings it. Throws NetlinkError.
 */
export function findFamily(netlink: Netlink, name: string): number | null {
  const message = genericMessage(
    { id: control.id, version: control.version },
    control.getFamily,
    messageFlag.request,
  );
  try {
    const asked = message.attributeText(control.attributeName, name);
    const [answer] = netlink.request(`find the netlink family ${name}`, asked);
    if (answer === undefined) return null;
    const attributes = attributeMap(answer.payload.subarray(genericHeaderSizeBytes));
    const id = attributes.get(control.attributeId);
    return id === undefined ? null : readU16(id);
  } catch (error) {
    if (isNetlinkError(error, "noEntry")) return null;
    throw error;
  }
}

/** A message of a family, with its fixed part written and no attributes yet. */
export function genericMessage(
  family: { readonly id: number; readonly version: number },
  command: number,
  flags: number,
): MessageWriter {
  return new MessageWriter(family.id, flags).u8(command).u8(family.version).u16(0);
}
