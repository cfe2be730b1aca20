import type { AuthClient } from 'etcd3';

export type Access = 'read' | 'write';

/** What one role of etcd's grants: keys from the first up to, and without, the second. */
interface Grant {
  readonly accesses: readonly Access[];
  readonly from: Buffer;
  /** Empty = the one key alone, one zero byte = all keys from there on. */
  readonly to: Buffer;
}

/** What a user of etcd's may do. */
export interface Rights {
  readonly user: string;
  readonly roles: readonly string[];
  readonly grants: readonly Grant[];
}

/** The role that may do everything, whatever it grants. */
const ROOT = 'root';

/**
 * Asks etcd for somebody's roles and what they grant. Everybody may ask that of themselves.
 *
 * @throws {Error} if etcd does not answer
 */
export async function readRights(auth: Pick<AuthClient, 'userGet' | 'roleGet'>, user: string): Promise<Rights> {
  const { roles } = await auth.userGet({ name: user });
  const answers = await Promise.all(roles.map(async (role) => await auth.roleGet({ role })));
  const grants = answers.flatMap(({ perm }) =>
    perm.map(({ permType, key, range_end: to }): Grant => ({ accesses: accessesOf(permType), from: key, to })),
  );
  return { user, roles, grants };
}

/** etcd calls them READ, WRITE and READWRITE; etcd3 says otherwise in its types. */
function accessesOf(type: string): readonly Access[] {
  const name = type.toLowerCase();
  return (['read', 'write'] as const).filter((access) => name.includes(access));
}

/** @param end of a range of keys; absent = one key */
export function mayAccess({ roles, grants }: Rights, access: Access, key: Buffer, end?: Buffer): boolean {
  return roles.includes(ROOT) || grants.some((grant) => grant.accesses.includes(access) && covers(grant, key, end));
}

function covers({ from, to }: Grant, key: Buffer, end: Buffer | undefined): boolean {
  if (to.length === 0) return end === undefined && from.equals(key);
  if (from.compare(key) > 0) return false;
  if (to.equals(Buffer.of(0))) return true;
  return end === undefined ? key.compare(to) < 0 : end.compare(to) <= 0;
}
