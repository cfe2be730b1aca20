import { parseKey } from '@clusterf/model';
import type { EtcdConnection } from './etcd-connection.js';
import {
  explainDenial,
  isDenied,
  isGranted,
  ownRights,
  refusal,
  type Wish,
  type Wisher,
  wishesFor,
} from './etcd-refusal.js';
import type { Rights } from './etcd-rights.js';
import type { OwnKeys } from './own-keys.js';

/**
 * Tells keys that we have no right to from the others: for want of one right etcd denies a whole transaction, and does
 * not say which.
 */
export class Refusals {
  readonly #wisher: Wisher;
  readonly #claim: string | undefined;
  readonly #keys: OwnKeys;

  /** @param claim the path of our claim */
  constructor(prefix: string, claim: string | undefined, keys: OwnKeys) {
    const key = claim === undefined ? undefined : parseKey(claim);
    this.#wisher = { prefix, host: key?.kind === 'hostStatus' ? key.host : undefined };
    this.#claim = claim;
    this.#keys = keys;
  }

  /**
   * Makes an attempt at several keys. If it is denied, those that we have no right to are set apart; what remains is for
   * the next attempt.
   *
   * @throws {Error} if it is denied for another reason
   */
  async apart(connection: EtcdConnection, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (!isDenied(error)) throw error;
      const rights = await ownRights(connection);
      const refused = this.#keys.all.flatMap((path) => {
        const wish = this.#denied(rights, path);
        return wish === undefined ? [] : [[path, refusal(rights, this.#wisher, wish)] as const];
      });
      if (!this.#keys.refuse(new Map(refused))) throw error;
    }
  }

  /** Rights may have been granted since. */
  async reconsider(connection: EtcdConnection): Promise<void> {
    const { refused } = this.#keys;
    if (refused.size === 0) return;
    const rights = await ownRights(connection);
    this.#keys.permit([...refused.keys()].filter((path) => this.#denied(rights, path) === undefined));
  }

  /** @returns if etcd denied something, what it was; else the same error */
  async explain(connection: EtcdConnection, error: unknown): Promise<unknown> {
    const ours = [...(this.#claim === undefined ? [] : [this.#claim]), ...this.#keys.written.keys()];
    return await explainDenial(error, connection, this.#wisher, ours.flatMap(wishesFor));
  }

  /** What we may not do with a key of ours, if anything: we look at what we write. */
  #denied(rights: Rights, path: string): Wish | undefined {
    return wishesFor(path).find((wish) => !isGranted(rights, this.#wisher.prefix, wish));
  }
}
