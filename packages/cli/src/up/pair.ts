import { toError } from '@clusterf/daemon';

/**
 * How two agents end that run side by side.
 *
 * INVARIANTS
 * - Told to end, the docker-agent ends first: balancers, ours among them, see what it has to say at its end.
 * - When one fails the other ends too, and knows from its signal's reason that it is not the end of the service: whoever
 *   starts the process again finds all as it was.
 */
export class Pair {
  /** Ends the docker-agent. */
  readonly docker: AbortSignal;
  /** Ends the balancer's agent. */
  readonly balancer: AbortSignal;
  readonly #failed = new AbortController();
  readonly #dockerEnded = new AbortController();

  /** @param outer aborted to end both */
  constructor(outer: AbortSignal) {
    this.docker = AbortSignal.any([outer, this.#failed.signal]);
    this.balancer = AbortSignal.any([this.#dockerEnded.signal, this.#failed.signal]);
  }

  /**
   * Runs both to their end.
   *
   * @param docker to be ended by `docker`, `balancer` by `balancer`
   * @throws what the first that failed threw
   */
  async run(docker: () => Promise<void>, balancer: () => Promise<void>): Promise<void> {
    const fail = (thrown: unknown) => this.#failed.abort(toError(thrown));
    const dockerEnds = docker().then(() => this.#dockerEnded.abort(), fail);
    await Promise.all([dockerEnds, balancer().catch(fail)]);
    this.#failed.signal.throwIfAborted();
  }
}
