import { quote } from './quote.js';
import { accept, type Result, reject } from './result.js';

/** What a path of the configuration tree holds (DESIGN: configuration tree). */
export type Key =
  | { readonly kind: 'frontend'; readonly service: string }
  | { readonly kind: 'backend'; readonly service: string; readonly backend: string }
  | { readonly kind: 'route'; readonly route: string }
  | { readonly kind: 'sync' }
  | { readonly kind: 'balancerSync'; readonly balancer: string }
  | { readonly kind: 'balancerStatus'; readonly balancer: string }
  | { readonly kind: 'hostStatus'; readonly host: string }
  | { readonly kind: 'hostDrain'; readonly host: string }
  | { readonly kind: 'backendDrain'; readonly service: string; readonly backend: string }
  | { readonly kind: 'balancerDrain'; readonly balancer: string }
  /** `problem` is set where the path was probably meant for us; other people's keys are nobody's business. */
  | { readonly kind: 'unknown'; readonly problem?: string };

/** A name is one path component, in etcd as in a file system: what fits one must fit the other. */
const MAX_NAME_BYTES = 255;

/** The name itself, or why it cannot be one component of a key. Any script, white space inside and dots will do. */
export function checkName(name: string): Result<string> {
  if (name === '') {
    return reject('the name is empty');
  }
  if (name.includes('/')) {
    return reject(`the name ${quote(name)} contains "/", which separates the parts of a key`);
  }
  if (name === '.' || name === '..') {
    return reject(`the name ${quote(name)} would mean a directory`);
  }
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) {
    return reject(`the name ${quote(name)} contains a control character`);
  }
  const bytes = Buffer.byteLength(name);
  if (bytes > MAX_NAME_BYTES) {
    return reject(`the name ${quote(name)} is ${bytes} bytes long; at most ${MAX_NAME_BYTES} were expected`);
  }
  return accept(name);
}

/** Tells what a path relative to the prefix is. Never throws; a path with an impossible name is unknown. */
export function parseKey(path: string): Key {
  const parts = path.split('/');
  const key = match(parts);
  if (key.kind === 'unknown') {
    return key;
  }
  for (const part of parts) {
    const name = checkName(part);
    if (!name.ok) {
      return { kind: 'unknown', problem: name.message };
    }
  }
  return key;
}

function match(parts: readonly string[]): Key {
  const [top = '', name = '', what = '', last = ''] = parts;
  const size = parts.length;
  if (parts[size - 1] === '') {
    return { kind: 'unknown' }; // a directory marker, as some tools put them
  }
  switch (top) {
    case 'services':
      if (what === 'frontend' && size === 3) {
        return { kind: 'frontend', service: name };
      }
      if (what === 'backends' && size === 4) {
        return { kind: 'backend', service: name, backend: last };
      }
      return expected('services/<service>/frontend or services/<service>/backends/<backend>');
    case 'routes':
      return size === 2 ? { kind: 'route', route: name } : expected('routes/<route>');
    case 'sync':
      return size === 1 ? { kind: 'sync' } : expected('sync');
    case 'balancers':
      if (size === 3 && what === 'sync') {
        return { kind: 'balancerSync', balancer: name };
      }
      return size === 3 && what === 'status' ? { kind: 'balancerStatus', balancer: name } : { kind: 'unknown' };
    case 'hosts':
      return size === 3 && what === 'status' ? { kind: 'hostStatus', host: name } : { kind: 'unknown' };
    case 'drain':
      if (name === 'hosts' && size === 3) {
        return { kind: 'hostDrain', host: what };
      }
      if (name === 'backends' && size === 4) {
        return { kind: 'backendDrain', service: what, backend: last };
      }
      return name === 'balancers' && size === 3
        ? { kind: 'balancerDrain', balancer: what }
        : expected('drain/hosts/<host>, drain/backends/<service>/<backend> or drain/balancers/<balancer>');
    default:
      return { kind: 'unknown' };
  }
}

function expected(shape: string): Key {
  return { kind: 'unknown', problem: `not a key that is read; expected ${shape}` };
}

/** @throws {RangeError} when a name cannot be part of a key: check what people wrote with {@link checkName} first */
export function frontendKey(service: string): string {
  return join('services', service, 'frontend');
}

/** @throws {RangeError} as {@link frontendKey} */
export function backendKey(service: string, backend: string): string {
  return join('services', service, 'backends', backend);
}

/** @throws {RangeError} as {@link frontendKey} */
export function routeKey(route: string): string {
  return join('routes', route);
}

/** The sync settings of all balancers, or those of one. @throws {RangeError} as {@link frontendKey} */
export function syncKey(balancer?: string): string {
  return balancer === undefined ? 'sync' : join('balancers', balancer, 'sync');
}

/** @throws {RangeError} as {@link frontendKey} */
export function balancerStatusKey(balancer: string): string {
  return join('balancers', balancer, 'status');
}

/** @throws {RangeError} as {@link frontendKey} */
export function hostStatusKey(host: string): string {
  return join('hosts', host, 'status');
}

/** @throws {RangeError} as {@link frontendKey} */
export function hostDrainKey(host: string): string {
  return join('drain', 'hosts', host);
}

/** @throws {RangeError} as {@link frontendKey} */
export function backendDrainKey(service: string, backend: string): string {
  return join('drain', 'backends', service, backend);
}

/** @throws {RangeError} as {@link frontendKey} */
export function balancerDrainKey(balancer: string): string {
  return join('drain', 'balancers', balancer);
}

function join(...parts: readonly string[]): string {
  for (const part of parts) {
    const name = checkName(part);
    if (!name.ok) {
      throw new RangeError(`key ${parts.join('/')}: ${name.message}`);
    }
  }
  return parts.join('/');
}
