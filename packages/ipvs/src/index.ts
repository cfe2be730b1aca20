export { canonicalAddress } from './address.js';
export {
  canonicalDestination,
  canonicalDestinationId,
  canonicalSyncDaemon,
  canonicalTimeouts,
  canonicalVirtualService,
  canonicalVirtualServiceId,
} from './canonical.js';
export { IpvsClient, type OpenOptions } from './client.js';
export type { Command, CommandArguments, CommandName } from './commands.js';
export { ArgumentError, DecodeError, IpvsError } from './errors.js';
export { destinationKey, virtualServiceKey } from './identity.js';
export type { NetlinkSocket, Sender } from './netlink/socket.js';
export type * from './types.js';
