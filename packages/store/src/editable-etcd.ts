import type { ICompare, IKeyValue, IRequestOp, KVClient } from 'etcd3';
import {
  ConflictError,
  type EditableTree,
  type Reading,
  refuseTooMany,
  type StoredEntry,
  type TreeChanges,
} from './editable-tree.js';
import { etcdSource } from './etcd.js';
import { inPlainWords } from './etcd-complaint.js';
import type { EtcdConnection } from './etcd-connection.js';
import { explainDenial, wishesFor } from './etcd-refusal.js';
import { keysBelow, pages } from './etcd-tree.js';
import { leaseTime, type LeaseTime } from './lease.js';
import { kindOf, UnavailableError } from './unavailable-error.js';
import type { EtcdLocation, EtcdOptions } from './url.js';

/** @param timeout milliseconds until a request counts as failed, a member */
export function editableEtcd(location: EtcdLocation, options: EtcdOptions, timeout: number): EditableTree {
  return new EditableEtcd(location, options, timeout);
}

/** Reads from the first member that answers, and then writes to that one. */
class EditableEtcd implements EditableTree {
  readonly url: string;
  readonly #location: EtcdLocation;
  readonly #options: EtcdOptions;
  readonly #timeout: number;
  #connection: EtcdConnection | undefined;
  #closed = false;

  constructor(location: EtcdLocation, options: EtcdOptions, timeout: number) {
    this.url = location.url;
    this.#location = location;
    this.#options = options;
    this.#timeout = timeout;
  }

  events(signal: AbortSignal) {
    return etcdSource(this.#location, this.#options).events(signal);
  }

  async read(path = ''): Promise<Reading> {
    return await this.#withAnyMember(async ({ kv }) => await readBelow(kv, this.#location.prefix, path));
  }

  async leaseTimes(leases: Iterable<string>): Promise<ReadonlyMap<string, LeaseTime>> {
    return await this.#withAnyMember(async ({ lease: client }) => {
      const times = await Promise.all(
        [...new Set(leases)].map(async (lease) => [lease, await leaseTime(client, lease)] as const),
      );
      return new Map(times.filter(([, { remaining }]) => remaining >= 0));
    });
  }

  async write(changes: TreeChanges, reading: Reading): Promise<void> {
    refuseTooMany(changes);
    // A second try could meet what the first has written: so only one, with the member that answered the reading.
    const connection = this.#connection ?? (await this.#connect(this.#location.hosts[0] ?? ''));
    try {
      await writeIfUnchanged(connection.kv, this.#location.prefix, changes, reading);
    } catch (error) {
      if (error instanceof ConflictError) {
        throw error;
      }
      const wishes = [...changes.keys()].flatMap(wishesFor);
      const reason = await explainDenial(error, connection, { prefix: this.#location.prefix }, wishes);
      const plain = inPlainWords(connection.host, this.#options.user, reason);
      throw plain instanceof UnavailableError
        ? new UnavailableError(`${plain.message}; whether it was written is not known: look at it again`, {
            cause: error,
          })
        : plain;
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#connection?.close();
  }

  /** Asks one member after the other, for as long as they are only away. */
  async #withAnyMember<T>(ask: (connection: EtcdConnection) => Promise<T>): Promise<T> {
    const { hosts } = this.#location;
    const complaints: Error[] = [];
    for (const host of hosts) {
      try {
        return await ask(this.#connection ?? (await this.#connect(host)));
      } catch (error) {
        const reason =
          this.#connection === undefined
            ? error
            : await explainDenial(error, this.#connection, { prefix: this.#location.prefix }, [
                { access: 'read', path: '' },
              ]);
        complaints.push(inPlainWords(this.#connection?.host ?? host, this.#options.user, reason));
        this.#connection?.close();
        this.#connection = undefined;
        if (this.#closed || !(error instanceof Error) || kindOf(error) !== 'away') {
          break;
        }
      }
    }
    const last = complaints.at(-1);
    throw last !== undefined && (complaints.length === 1 || !(last instanceof UnavailableError))
      ? last
      : new UnavailableError(complaints.map(({ message }) => message).join('; '), { cause: last });
  }

  async #connect(host: string): Promise<EtcdConnection> {
    // gRPC takes longer to load than everything else together: only who reads from etcd waits for it.
    const { connectEtcd } = await import('./etcd-connection.js');
    const connection = await connectEtcd(this.#location, host, this.#options, () => this.#timeout);
    this.#connection = connection;
    return connection;
  }
}

/** The key itself and, at the same revision, what is below it. */
async function readBelow(kv: KVClient, prefix: string, path: string): Promise<Reading> {
  const entries = new Map<string, StoredEntry>();
  const root = path === '' ? prefix : `${prefix}/${path}`;
  let revision: string | undefined;
  if (path !== '') {
    const { header, kvs } = await kv.range({ key: Buffer.from(root) });
    revision = header.revision;
    for (const found of kvs) {
      entries.set(path, stored(found));
    }
  }
  const range = keysBelow(root);
  for await (const { kvs } of pages(kv, range, revision)) {
    for (const found of kvs) {
      const below = range.path(found.key);
      if (below !== undefined) {
        entries.set(path === '' ? below : `${path}/${below}`, stored(found));
      }
    }
  }
  return entries;
}

function stored({ value, mod_revision: revision, lease }: IKeyValue): StoredEntry {
  return { value: value.toString(), revision, ...(lease === '0' ? {} : { lease }) };
}

/** @throws {ConflictError} */
async function writeIfUnchanged(kv: KVClient, prefix: string, changes: TreeChanges, reading: Reading): Promise<void> {
  const writes = [...changes].map(([path, value]) => {
    return { path, value, key: Buffer.from(`${prefix}/${path}`), found: reading.get(path) };
  });
  const { succeeded, responses } = await kv.txn({
    compare: writes.map(
      ({ key, found }): ICompare =>
        found?.revision === undefined
          ? { key, target: 'Create', result: 'Equal', create_revision: 0 }
          : { key, target: 'Mod', result: 'Equal', mod_revision: found.revision },
    ),
    success: writes.map(
      ({ key, value, found }): IRequestOp =>
        value === undefined
          ? { request_delete_range: { key } }
          : { request_put: { key, value: Buffer.from(value), ignore_lease: found?.lease !== undefined } },
    ),
    failure: writes.map(({ key }): IRequestOp => ({ request_range: { key, keys_only: true } })),
  });
  if (!succeeded) {
    const now = responses.map(({ response_range }) => response_range.kvs[0]?.mod_revision);
    throw new ConflictError(
      writes.filter(({ found }, index) => found?.revision !== now[index]).map(({ path }) => path),
    );
  }
}
