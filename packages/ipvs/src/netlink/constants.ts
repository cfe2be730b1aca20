/** Numbers of linux/netlink.h and linux/genetlink.h that this package uses. */

export const NETLINK_GENERIC = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Types below this are netlink's own; from it on they are family ids. */
export const NLMSG_MIN_TYPE = 16;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** On any message of a dump or on its DONE: the table changed meanwhile, and the dump may miss entries. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;

/** The upper bits of an attribute's type are flags (nested, byte order). */
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;

export const NLMSG_HEADER = 16;
export const GENL_HEADER = 4;
export const NLA_HEADER = 4;

/** Messages and attributes begin at multiples of four; what is between is padding. */
export function align(length: number): number {
  return (length + 3) & ~3;
}
