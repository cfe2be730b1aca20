import type { EtcdConnection } from './etcd-connection.js';
import { type Access, mayAccess, readRights, type Rights } from './etcd-rights.js';
import { keysBelow } from './etcd-tree.js';
import { RefusedError } from './editable-tree.js';
import { remedyFor } from './tree-roles.js';

/** What somebody wants of a tree. */
export interface Wish {
  readonly access: Access;
  /** Relative to the prefix; empty = to read everything below it. */
  readonly path: string;
}

export interface Wisher {
  readonly prefix: string;
  /** Whose agent it is, if it is a Docker host's. */
  readonly host?: string | undefined;
}

/** What whoever writes an entry does with it: they look at it too. */
export function wishesFor(path: string): readonly Wish[] {
  return [
    { access: 'read', path },
    { access: 'write', path },
  ];
}

/** Whether etcd refused a request for want of a right. Of what, it does not say: {@link ownRights} do. */
export function isDenied(error: unknown): error is Error {
  return error instanceof Error && error.message.includes('etcdserver: permission denied');
}

/**
 * What we may do.
 *
 * @throws {RefusedError} if etcd does not know us
 * @throws {Error} if it does not answer
 */
export async function ownRights({ auth, user }: Pick<EtcdConnection, 'auth' | 'user'>): Promise<Rights> {
  if (user === undefined) throw new RefusedError('permission denied, whoever etcd takes us for; expected --etcd-user');
  try {
    return await readRights(auth, user);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('user name not found'))) throw error;
    throw new RefusedError(
      `etcd has no user ${JSON.stringify(user)}, whom the client certificate names as its CN; ` +
        `etcdctl user add --no-password makes one`,
      { cause: error },
    );
  }
}

export function isGranted(rights: Rights, prefix: string, { access, path }: Wish): boolean {
  if (path !== '') return mayAccess(rights, access, Buffer.from(`${prefix}/${path}`));
  const { key, range_end: end } = keysBelow(prefix);
  return mayAccess(rights, access, key, end);
}

/** Why it is not granted, and what would grant it. */
export function refusal({ user, roles }: Rights, { prefix, host }: Wisher, { access, path }: Wish): RefusedError {
  const { role, command } = remedyFor(prefix, access, path, host);
  return new RefusedError(
    `permission denied: user ${JSON.stringify(user)} (roles: ${roles.join(', ') || 'none'}) may not ${access} ${prefix}/${path}; ` +
      `the role for it is ${role}, and "${command}" prints the commands that grant it`,
  );
}

/**
 * @param error whatever went wrong
 * @param wishes what was asked for
 * @returns if something was denied, what it was, as far as etcd tells; else the same
 */
export async function explainDenial(
  error: unknown,
  connection: Pick<EtcdConnection, 'auth' | 'user'>,
  wisher: Wisher,
  wishes: readonly Wish[],
): Promise<unknown> {
  if (!isDenied(error)) return error;
  try {
    const rights = await ownRights(connection);
    const denied = wishes.find((wish) => !isGranted(rights, wisher.prefix, wish));
    return denied === undefined ? error : refusal(rights, wisher, denied);
  } catch (thrown) {
    return thrown instanceof RefusedError ? thrown : error;
  }
}
