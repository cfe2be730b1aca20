/** Addresses, ports and masks as ipvsadm and keepalived write them. */
import type { Tunnel } from '@clusterf/ipvs';
import { accept, type Family, parseAddress, quote, type Result, reject } from '@clusterf/model';

export interface Place {
  readonly family: Family;
  readonly address: string;
  /** 0 = none is named: all of them, or the one that was asked for. */
  readonly port: number;
}

const MAX_PORT = 65_535;

/** `10.0.0.1:80`, `[2001:db8::1]:80`, either without a port. */
export function parsePlace(text: string): Result<Place> {
  const [, bracketed, plain, port = '0'] = /^(?:\[([^\]]*)\]|([^:]*))(?::([^:]*))?$/.exec(text) ?? [];
  return placeOf(bracketed ?? plain ?? text, port);
}

/** @param port absent = none is named */
export function placeOf(addressText: string, port = '0'): Result<Place> {
  const address = parseAddress(addressText);
  if (!address.ok) return address;
  const number = wholeNumber(port, 0, MAX_PORT);
  if (number === undefined) return reject(`the port is ${quote(port)}; expected a number from 0 to ${MAX_PORT}`);
  const { family, text } = address.value;
  return accept({ family, address: text, port: number });
}

/** Decimal digits alone. */
export function wholeNumber(text: string, min: number, max: number): number | undefined {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : undefined;
}

/** `255.255.255.0`, or how many leading bits. */
export function parseMask(text: string, family: Family): Result<number> {
  const width = family === 'ipv4' ? 32 : 128;
  const address = parseAddress(text, 'ipv4');
  const bits = address.ok ? address.value.bits.toString(2).padStart(32, '0') : '';
  const length = address.ok ? /^(1+)0*$/.exec(bits)?.[1]?.length : wholeNumber(text, 1, width);
  return length === undefined || (address.ok && family === 'ipv6')
    ? reject(
        `the mask is ${quote(text)}; expected ${family === 'ipv4' ? 'one such as 255.255.255.0' : 'leading bits such as 64'}`,
      )
    : accept(length);
}

/** What is said of a tunnel beside that it is one. */
export interface TunnelWords {
  type?: Tunnel['type'];
  port?: number;
  checksum?: Tunnel['checksum'];
}

/** Undefined for plain ipip, which is what the kernel does unless told otherwise. */
export function tunnelOf({ type = 'ipip', port = 0, checksum = 'none' }: TunnelWords): Tunnel | undefined {
  return type === 'ipip' ? undefined : { type, port, checksum };
}

export function tunnelType(text: string): Tunnel['type'] | undefined {
  return text === 'ipip' || text === 'gue' || text === 'gre' ? text : undefined;
}
