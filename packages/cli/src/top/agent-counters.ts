import { once } from 'node:events';
import { get as getByHttp, type IncomingMessage } from 'node:http';
import { get as getByHttps } from 'node:https';
import { createInterface } from 'node:readline';
import { FailureError, toError } from '@clusterf/daemon';
import { Exposition } from './exposition.js';
import type { Look } from './look.js';

/** Where the local balancer's agent listens, unless it was told otherwise. */
export const LOCAL_AGENT = 'http://127.0.0.1:9780';

/** Milliseconds of silence: an agent reads a large table before it begins to answer. */
const PATIENCE = 30_000;

/** Milliseconds within which one that lives says something at all. */
const PATIENCE_FOR_A_SIGN = 5_000;

/**
 * Where an agent listens, as a person writes it: `lb1`, `lb1:9780`, `http://lb1:9780/metrics`.
 *
 * @returns undefined if it is none
 */
export function agentUrl(text: string): string | undefined {
  const written = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(written)) return undefined;
  const { protocol, username, hostname, port, pathname, search, hash } = new URL(written);
  const isPlain = username === '' && search === '' && hash === '' && /^\/(metrics)?$/.test(pathname);
  const isDefault = port === '' && protocol === 'http:' && !/:80(\/|$)/.test(written);
  return isPlain ? `${protocol}//${hostname}${port === '' ? '' : `:${port}`}${isDefault ? ':9780' : ''}` : undefined;
}

/**
 * What the kernel of an agent's balancer counts.
 *
 * @param url as {@link agentUrl} gives it
 * @throws FailureError in words
 */
export async function agentCounters(url: string, signal: AbortSignal): Promise<Look> {
  const exposition = new Exposition();
  try {
    (await request(`${url}/healthz`, PATIENCE_FOR_A_SIGN, signal)).resume();
    const answer = await request(`${url}/metrics`, PATIENCE, signal);
    if (answer.statusCode !== 200) throw new Error(`it answers ${answer.statusCode} ${answer.statusMessage}`);
    for await (const line of createInterface(answer.setEncoding('utf8'))) exposition.line(line);
  } catch (thrown) {
    throw new FailureError(reasonOf(toError(thrown)), { cause: thrown });
  }
  if (exposition.countersUp === undefined) throw new FailureError('no clusterf-ipvs answers there');
  if (!exposition.countersUp) throw new FailureError("the agent cannot read its kernel's counters: its log says why");
  return exposition.look;
}

/** Not by `fetch`, which refuses some ports and takes longer to load than all the rest. */
async function request(url: string, patience: number, signal: AbortSignal): Promise<IncomingMessage> {
  const get = url.startsWith('https:') ? getByHttps : getByHttp;
  const asked = get(url, { signal, timeout: patience, agent: false });
  asked.on('timeout', () => asked.destroy(new Error(`no answer within ${patience / 1000} s`)));
  const [answer]: IncomingMessage[] = await once(asked, 'response');
  if (answer === undefined) throw new TypeError('a response without itself');
  return answer;
}

/** A name may have several addresses, and each fails in its own way. */
function reasonOf(error: Error): string {
  const all = error instanceof AggregateError ? error.errors.map((each) => toError(each).message).join('; ') : '';
  return all || error.message;
}
