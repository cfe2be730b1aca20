/** What one balancer's kernel counts at one moment. */
export interface Look {
  readonly services: readonly ServiceLook[];
  readonly destinations: readonly DestinationLook[];
}

/** Per second, by the kernel's own estimate. */
export interface Rates {
  readonly connections: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ServiceLook {
  /** As the tree has it; empty for what it does not name. */
  readonly service: string;
  /** `tcp 10.0.0.1:80` */
  readonly virtualService: string;
  readonly rates: Rates;
}

export interface DestinationLook extends ServiceLook {
  /** As the tree has them, joined by commas; empty for what it does not name. */
  readonly backend: string;
  /** `172.17.0.2:8080` */
  readonly destination: string;
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

export const NO_RATES: Rates = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 };

export function sumOfRates(a: Rates, b: Rates): Rates {
  return {
    connections: a.connections + b.connections,
    packetsIn: a.packetsIn + b.packetsIn,
    packetsOut: a.packetsOut + b.packetsOut,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
  };
}
