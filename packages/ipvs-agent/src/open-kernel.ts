import { IpvsClient } from '@clusterf/ipvs';

/** The kernel's IPVS, for one agent. */
export interface OpenKernel extends Disposable {
  /** For the passes. */
  readonly client: IpvsClient;
  /** For looks beside them, which are to hold up none. */
  readonly onlooker: IpvsClient;
  /** As the log has it. */
  readonly info: { readonly ipvs: string; readonly connectionTableSize: number };
}

/** @throws what `IpvsClient.open` throws: where there is no IPVS, or no permission */
export async function openKernel(): Promise<OpenKernel> {
  const client = await IpvsClient.open();
  const onlooker = await IpvsClient.open();
  const { version, connectionTableSize } = await client.info();
  return {
    client,
    onlooker,
    info: { ipvs: version, connectionTableSize },
    [Symbol.dispose]: () => {
      client.close();
      onlooker.close();
    },
  };
}
