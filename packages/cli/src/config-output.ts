import { type Config, encodeBackend, encodeFrontend, encodeRoute, encodeSync, type Route } from '@clusterf/model';
import { onOneLine } from './output.js';
import { valueOf } from './tree/nest.js';

/** As the Go program's clusterf-config printed it, its names and all; fields that it had not come after its own. */
export function configAsJson(config: Config): string {
  const services = inOrder(config.services).map(([name, { frontend, backends }]) => [
    name,
    {
      Frontend: frontend === undefined ? null : valueOf(encodeFrontend(frontend)),
      Backends: Object.fromEntries(inOrder(backends).map(([each, backend]) => [each, valueOf(encodeBackend(backend))])),
    },
  ]);
  const routes = inOrder(config.routes).map(([name, route]) => [name, goRoute(route)]);
  const syncs = inOrder(config.balancerSync ?? new Map()).map(([name, sync]) => [name, valueOf(encodeSync(sync))]);
  return `${JSON.stringify({
    Routes: Object.fromEntries(routes),
    Services: Object.fromEntries(services),
    ...(config.sync && { Sync: valueOf(encodeSync(config.sync)) }),
    ...(syncs.length > 0 && { BalancerSync: Object.fromEntries(syncs) }),
  })}\n`;
}

/** Its fields were never left out. */
function goRoute(route: Route): Readonly<Record<string, unknown>> {
  return { Prefix: '', Gateway: '', IPVSMethod: '', ...fields(encodeRoute(route)) };
}

/** The same for people. */
export function configAsText({ routes, services, sync, balancerSync = new Map() }: Config): string {
  return [
    'Routes:\n',
    ...inOrder(routes).map(([name, route]) => line(1, `${name}:`, routeWords(route))),
    'Services:\n',
    ...inOrder(services).flatMap(([name, { frontend, backends }]) => [
      line(1, `${name}:`, frontend === undefined ? [] : settings(encodeFrontend(frontend))),
      ...inOrder(backends).map(([each, backend]) => line(2, `${each}:`, settings(encodeBackend(backend)))),
    ]),
    ...(sync === undefined ? [] : [line(0, 'Sync:', settings(encodeSync(sync)))]),
    ...inOrder(balancerSync).map(([name, each]) => line(0, `Sync of ${name}:`, settings(encodeSync(each)))),
  ].join('');
}

function line(depth: number, name: string, words: readonly string[]): string {
  return `${'\t'.repeat(depth)}${onOneLine([name, ...words].join(' '))}\n`;
}

function routeWords({ prefix, gateway, ipvsMethod, priority, tunnel }: Route): readonly string[] {
  return [
    [ipvsMethod ?? 'none', prefix ?? 'default'],
    gateway === undefined ? [] : ['gateway', gateway],
    priority === 0 ? [] : ['priority', String(priority)],
    tunnel === undefined ? [] : ['tunnel', tunnel.type, tunnel.port === undefined ? [] : String(tunnel.port)],
  ].flat(2);
}

/** `ipv4=10.0.0.1`, `tcp=80` */
function settings(text: string): readonly string[] {
  return Object.entries(fields(text)).map(([name, value]) => {
    return `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
}

function fields(text: string): Readonly<Record<string, unknown>> {
  const value = valueOf(text);
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function inOrder<T>(entries: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
