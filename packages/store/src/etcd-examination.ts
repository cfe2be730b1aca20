/** What can be found out about an etcd, member by member, without changing anything: for an operator who looks for trouble. */
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { MaintenanceClient } from 'etcd3';
import { inPlainWords } from './etcd-complaint.js';
import type { EtcdConnection } from './etcd-connection.js';
import { explainDenial, type Wish, wishesFor } from './etcd-refusal.js';
import { keysBelow } from './etcd-tree.js';
import type { EtcdLocation, EtcdOptions } from './url.js';

export interface EtcdMember {
  /** `host:port` */
  readonly host: string;
  /** Why nothing more is known of it. */
  readonly error?: string;
  readonly version?: string;
  /** Milliseconds that a read takes which all members agree on; the middle one of a few. */
  readonly latency?: number;
  /** Bytes. */
  readonly size?: number;
  /** Bytes; beyond it etcd takes no more writes. */
  readonly quota?: number;
  /** `NOSPACE`, `CORRUPT`. */
  readonly alarms?: readonly string[];
  /** It knows no leader: nothing can be written. */
  readonly leaderless?: boolean;
  /** By how much its clock is ahead of ours; absent where it does not say what it is. */
  readonly clock?: ClockReading;
}

export interface ClockReading {
  /** Milliseconds, negative if it is behind. */
  readonly ahead: number;
  /** Milliseconds that it may be wrong by: it tells seconds, and the answer takes its time. */
  readonly uncertainty: number;
}

/** What this user may do. */
export interface EtcdAccess {
  /** Relative to the prefix; empty = everything below it. */
  readonly path: string;
  readonly access: 'read' | 'write';
  /** Undefined: nobody answered. */
  readonly allowed: boolean | undefined;
  /** Why it is not, or not known. */
  readonly reason?: string;
}

export interface EtcdExamination {
  readonly url: string;
  readonly members: readonly EtcdMember[];
  readonly access: readonly EtcdAccess[];
}

export interface ExaminationOptions {
  /** Paths that this user should be able to write. */
  readonly writes: readonly string[];
  /** Milliseconds for each question. */
  readonly timeout?: number;
}

const READS = 5;
const LONGEST_ANSWER = 16 * 1024 * 1024;

/** Asks all members at once. Whatever goes wrong is in the answer. */
export async function examineEtcd(
  location: EtcdLocation,
  options: EtcdOptions,
  { writes, timeout = 3000 }: ExaminationOptions,
): Promise<EtcdExamination> {
  const members = await Promise.all(
    location.hosts.map(async (host) => await examineMember(location, host, options, timeout)),
  );
  const answering = members.find(({ error }) => error === undefined);
  if (answering === undefined) return { url: location.url, members, access: [] };
  const access = await withConnection(location, answering.host, options, timeout, async (connection) => [
    await mayRead(connection, location.prefix),
    ...(await Promise.all(writes.map(async (path) => await mayWrite(connection, location.prefix, path)))),
  ]).catch((): EtcdAccess[] => []);
  return { url: location.url, members, access };
}

async function examineMember(
  location: EtcdLocation,
  host: string,
  options: EtcdOptions,
  timeout: number,
): Promise<EtcdMember> {
  try {
    const { status, alarms, latency } = await withConnection(location, host, options, timeout, async (connection) => {
      const { maintenance } = connection;
      const answer = await maintenance.status();
      return { status: answer, alarms: await alarmsOf(maintenance), latency: await readLatency(connection, location) };
    });
    const { clock, quota } = await overHttp(location, host, options, timeout).catch(() => ({
      clock: undefined,
      quota: undefined,
    }));
    return {
      host,
      version: status.version,
      size: Number(status.dbSize),
      leaderless: status.leader === '0',
      ...(latency !== undefined && { latency }),
      ...(alarms !== undefined && { alarms }),
      ...(quota !== undefined && { quota }),
      ...(clock !== undefined && { clock }),
    };
  } catch (error) {
    return { host, error: inPlainWords(host, options.user, error).message };
  }
}

async function withConnection<T>(
  location: EtcdLocation,
  host: string,
  options: EtcdOptions,
  timeout: number,
  ask: (connection: EtcdConnection) => Promise<T>,
): Promise<T> {
  const { connectEtcd } = await import('./etcd-connection.js');
  const connection = await connectEtcd(location, host, options, () => timeout);
  try {
    return await ask(connection);
  } finally {
    connection.close();
  }
}

/** Undefined where it is not told to everybody. */
async function alarmsOf(maintenance: MaintenanceClient): Promise<readonly string[] | undefined> {
  try {
    const { alarms } = await maintenance.alarm({ action: 'Get', memberID: 0, alarm: 'None' });
    return alarms.map(({ alarm }) => alarm.toUpperCase());
  } catch {
    return undefined;
  }
}

/** Undefined where this user may not read. The first one connects. */
async function readLatency({ kv }: EtcdConnection, { prefix }: EtcdLocation): Promise<number | undefined> {
  const times: number[] = [];
  try {
    for (let read = 0; read <= READS; read += 1) {
      const start = performance.now();
      await kv.range({ ...rangeOf(prefix), limit: 1, keys_only: true });
      times.push(performance.now() - start);
    }
  } catch {
    return undefined;
  }
  return times.slice(1).toSorted((a, b) => a - b)[Math.floor(READS / 2)];
}

function rangeOf(prefix: string) {
  const { key, range_end } = keysBelow(prefix);
  return { key, range_end };
}

async function mayRead(connection: EtcdConnection, prefix: string): Promise<EtcdAccess> {
  const question = { path: '', access: 'read' } as const;
  try {
    await connection.kv.range({ ...rangeOf(prefix), limit: 1, keys_only: true });
    return { ...question, allowed: true };
  } catch (error) {
    return { ...question, ...(await refusal(connection, prefix, question, error)) };
  }
}

/**
 * Asks for a transaction that writes only if a key has been put minus one times. etcd looks at permissions for all of
 * a transaction before it looks at what it compares (checkTxnAuth in etcdserver/apply_auth.go).
 */
async function mayWrite(connection: EtcdConnection, prefix: string, path: string): Promise<EtcdAccess> {
  const question = { path, access: 'write' } as const;
  const key = Buffer.from(`${prefix}/${path}`);
  try {
    await connection.kv.txn({
      compare: [{ key, target: 'Version', result: 'Equal', version: -1 }],
      success: [{ request_put: { key, value: Buffer.alloc(0) } }],
    });
    return { ...question, allowed: true };
  } catch (error) {
    return { ...question, ...(await refusal(connection, prefix, question, error)) };
  }
}

async function refusal(
  connection: EtcdConnection,
  prefix: string,
  wish: Wish,
  error: unknown,
): Promise<{ allowed: false | undefined; reason: string }> {
  const denied = error instanceof Error && /permission denied|user name is empty|invalid auth/.test(error.message);
  const reason = await explainDenial(error, connection, { prefix }, wish.path === '' ? [wish] : wishesFor(wish.path));
  return {
    allowed: denied ? false : undefined,
    reason: inPlainWords(connection.host, connection.user, reason).message,
  };
}

/** What etcd tells browsers and Prometheus on the same port: its time, and its quota. */
async function overHttp(location: EtcdLocation, host: string, options: EtcdOptions, timeout: number) {
  const { scheme } = location;
  const [ca, cert, key] = await Promise.all(
    [options.ca, options.cert, options.key].map(async (path) =>
      path === undefined ? undefined : await readFile(path),
    ),
  );
  const tls = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const get = async (path: string) => await request(`${scheme}://${host}${path}`, tls, timeout);
  const sent = Date.now();
  const { date } = await get('/version');
  const received = Date.now();
  const metrics = await get('/metrics').catch(() => undefined);
  return {
    clock: date === undefined ? undefined : clockReading(date, sent, received),
    quota: quotaIn(metrics?.body ?? ''),
  };
}

/** @param date what the other clock said between these two times of ours, its fraction of a second cut off */
export function clockReading(date: number, sent: number, received: number): ClockReading {
  const half = (received - sent) / 2;
  return { ahead: Math.round(date + 500 - (sent + half)), uncertainty: Math.ceil(500 + half) };
}

function quotaIn(metrics: string): number | undefined {
  const [, figure] = /^etcd_server_quota_backend_bytes (\S+)$/m.exec(metrics) ?? [];
  const quota = Number(figure);
  return figure === undefined || !(quota > 0) ? undefined : quota;
}

async function request(url: string, tls: https.RequestOptions, timeout: number) {
  return await new Promise<{ readonly date: number | undefined; readonly body: string }>((resolve, reject) => {
    const client = url.startsWith('https:') ? https : http;
    const asked = client.get(url, { ...tls, agent: false, timeout }, (response) => {
      const time = Date.parse(response.headers.date ?? '');
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > LONGEST_ANSWER) asked.destroy(new Error('its answer has no end'));
      });
      response.on('end', () => resolve({ date: Number.isNaN(time) ? undefined : time, body }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', reject);
  });
}
