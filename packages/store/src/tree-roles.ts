/**
 * Who writes what in a tree, as roles of etcd's, which grant ranges of keys. So a role is as narrow as keys that stand
 * side by side: of all services at once it cannot grant the backends without the frontends.
 */
import { balancerStatusKey, frontendKey, hostStatusKey, parseKey, syncKey } from '@clusterf/model';
import type { Access } from './etcd-rights.js';

export interface Grant {
  readonly access: Access;
  /** Whole, with the tree's prefix. */
  readonly key: string;
  /** All keys that begin so; otherwise the one. */
  readonly prefix: boolean;
}

export interface Role {
  readonly name: string;
  /** One line: what it lets its users do. */
  readonly purpose: string;
  readonly grants: readonly Grant[];
}

export interface User {
  readonly name: string;
  readonly roles: readonly string[];
}

export interface Cast {
  /** As {@link EtcdLocation} has it. */
  readonly prefix: string;
  /** Names of Docker hosts and of balancers. */
  readonly hosts: readonly string[];
  readonly balancers: readonly string[];
  /** Those that Docker hosts may register backends for; none = all there are. */
  readonly services: readonly string[];
  /** Docker hosts may publish the frontends of those services, and routes. */
  readonly frontends: boolean;
  readonly routes: boolean;
}

export interface TreeRoles {
  readonly roles: readonly Role[];
  readonly users: readonly User[];
}

/** All roles of a tree, and the users that have them: one for each agent, and one for operators. */
export function treeRoles(cast: Cast): TreeRoles {
  const { prefix, hosts, balancers } = cast;
  const name = roleNames(prefix);
  const all = (access: Access, path: string): Grant => ({ access, key: `${prefix}/${path}`, prefix: true });
  const one = (access: Access, path: string): Grant => ({ access, key: `${prefix}/${path}`, prefix: false });
  const roles: Role[] = [
    { name: name.read, purpose: 'read the tree, which every agent does', grants: [all('read', '')] },
    { name: name.backends, ...backendGrants(cast) },
    ...hosts.map((host) => ({
      name: name.host(host),
      purpose: `the Docker host ${host}: what it says of itself${cast.routes ? ', and its routes' : ''}`,
      grants: [one('write', hostStatusKey(host)), ...(cast.routes ? [all('write', `routes/${host}-`)] : [])],
    })),
    ...balancers.map((balancer) => ({
      name: name.balancer(balancer),
      purpose: `the balancer ${balancer}: what it says of itself`,
      grants: [one('write', balancerStatusKey(balancer))],
    })),
    {
      name: name.operator,
      purpose: 'operators: everything but what agents say of themselves',
      grants: [
        all('write', 'services/'),
        all('write', 'routes/'),
        one('write', syncKey()),
        ...balancers.map((balancer) => one('write', syncKey(balancer))),
        all('write', 'drain/'),
      ],
    },
  ];
  const users = [
    ...hosts.map((host) => ({ name: name.dockerUser(host), roles: [name.read, name.backends, name.host(host)] })),
    ...balancers.map((balancer) => ({ name: name.ipvsUser(balancer), roles: [name.read, name.balancer(balancer)] })),
    { name: name.operator, roles: [name.read, name.operator] },
  ];
  return { roles, users };
}

function backendGrants({ prefix, services, frontends }: Cast): Omit<Role, 'name'> {
  if (services.length === 0) {
    return {
      purpose: 'Docker hosts: backends of all services, and so their frontends too: the keys are not apart',
      grants: [{ access: 'write', key: `${prefix}/services/`, prefix: true }],
    };
  }
  return {
    purpose: `Docker hosts: backends${frontends ? ' and frontends' : ''} of ${services.join(', ')}`,
    grants: services.flatMap((service): Grant[] => [
      { access: 'write', key: `${prefix}/services/${service}/backends/`, prefix: true },
      ...(frontends ? [{ access: 'write' as const, key: `${prefix}/${frontendKey(service)}`, prefix: false }] : []),
    ]),
  };
}

/** Names begin as the tree's prefix does: one etcd may hold several trees. */
function roleNames(prefix: string) {
  const base =
    prefix
      .split('/')
      .filter((part) => part !== '')
      .join('-') || 'clusterf';
  return {
    read: `${base}-read`,
    backends: `${base}-backends`,
    operator: `${base}-operator`,
    host: (host: string) => `${base}-host-${host}`,
    balancer: (balancer: string) => `${base}-balancer-${balancer}`,
    dockerUser: (host: string) => `${base}-docker-${host}`,
    ipvsUser: (balancer: string) => `${base}-ipvs-${balancer}`,
  };
}

/** What lets somebody write, or read, what they may not. */
export interface Remedy {
  /** The role that they need, as {@link treeRoles} names it. */
  readonly role: string;
  /** The command that prints how to grant it. */
  readonly command: string;
}

/**
 * @param path relative to the prefix; empty = the whole tree
 * @param host whose agent wants it, if it is a Docker host's
 */
export function remedyFor(prefix: string, access: Access, path: string, host?: string): Remedy {
  const name = roleNames(prefix);
  const remedy = (role: string, ...words: readonly string[]): Remedy => {
    const tree = prefix === '/clusterf' ? [] : ['--etcd-prefix', prefix === '' ? '/' : prefix];
    return { role, command: ['clusterf', 'etcd-roles', ...tree, ...words].map(shellWord).join(' ') };
  };
  const key = parseKey(path);
  if (access === 'read') return remedy(name.read);
  switch (key.kind) {
    case 'backend':
      return remedy(name.backends, '--service', key.service);
    case 'frontend':
      return host === undefined
        ? remedy(name.operator)
        : remedy(name.backends, '--service', key.service, '--frontends');
    case 'route':
      return host === undefined ? remedy(name.operator) : remedy(name.host(host), '--host', host, '--routes');
    case 'hostStatus':
      return remedy(name.host(key.host), '--host', key.host);
    case 'balancerStatus':
      return remedy(name.balancer(key.balancer), '--balancer', key.balancer);
    case 'balancerSync':
      return remedy(name.operator, '--balancer', key.balancer);
    case 'sync':
    case 'hostDrain':
    case 'backendDrain':
    case 'balancerDrain':
    case 'unknown':
      return remedy(name.operator);
  }
}

/** As a shell takes it for one word. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
