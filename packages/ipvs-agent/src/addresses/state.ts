import * as z from 'zod';

const DeviceState = z.object({
  interface: z.string(),
  /** Index of the device if we made it: another of the same name has another. */
  made: z.number().nullable(),
  /** Ours, canonical. */
  addresses: z.array(z.string()),
});

/** What survives a restart. More than one device where `--vip-interface` was changed in between. */
export const AddressesState = z.object({ version: z.literal(1), devices: z.array(DeviceState) });

export type AddressesState = z.infer<typeof AddressesState>;
export type DeviceState = z.infer<typeof DeviceState>;

export const NO_ADDRESSES: AddressesState = { version: 1, devices: [] };
