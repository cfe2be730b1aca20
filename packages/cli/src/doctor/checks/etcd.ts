import { backendKey } from '@clusterf/model';
import { type EtcdAccess, type EtcdExamination, type EtcdMember, parseSourceUrl, remedyFor } from '@clusterf/store';
import type { Facts } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';

/** Milliseconds: a read that takes longer is felt in every change. */
const SLOW = 100;
/** Milliseconds: beyond what is uncertain about it. */
const SKEWED = 2000;
/** A backend of a service that nobody has. */
export const ANY_BACKEND = backendKey('clusterf-doctor', 'clusterf-doctor');
const NEARLY_FULL = 0.8;
const OLDEST = [3, 3];

export function checkEtcd({ etcd, up }: Facts): readonly Finding[] {
  if (etcd.length === 0 && up?.inMemory === true)
    return [ok('etcd', `none is needed: clusterf up, process ${up.pid}, keeps the tree in memory`)];
  return etcd.flatMap((examination) => {
    const reached = examination.members.filter(({ error }) => error === undefined);
    return [
      ...reachability(examination, reached),
      ...reached.flatMap((member) => [...health(member), ...clock(member)]),
      ...permissions(examination),
      ...protection(examination, reached),
    ];
  });
}

function reachability({ url, members }: EtcdExamination, reached: readonly EtcdMember[]): readonly Finding[] {
  const away = members.filter(({ error }) => error !== undefined);
  if (away.length === 0) {
    const latencies = reached.flatMap(({ latency }) => (latency === undefined ? [] : [latency]));
    const slowest = latencies.length === 0 ? '' : `, answers within ${milliseconds(Math.max(...latencies))}`;
    return [ok('etcd', `${url}: version ${[...new Set(reached.map(({ version }) => version))].join(', ')}${slowest}`)];
  }
  const lines = away.map(({ error }) => error ?? '');
  const trouble = {
    found: lines.join('\n'),
    mend: [...new Set(away.map(mendFor))].join('\n'),
  };
  return reached.length === 0
    ? [
        fail('etcd', {
          ...trouble,
          why: 'Agents go on with what they know; nothing that changes becomes known to them.',
        }),
      ]
    : [
        warn('etcd', {
          ...trouble,
          why: `The other ${reached.length} of ${members.length} do; with one more gone there may be no majority.`,
        }),
      ];
}

/** One that answers and refuses is not to be looked for on the way there. */
function mendFor({ host, error = '' }: EtcdMember): string {
  const [, user] = /does not know the user "([^"]*)"/.exec(error) ?? [];
  if (user !== undefined)
    return `etcdctl --endpoints=${host} --user root user passwd ${user}    # and the same into the file named above`;
  if (error.includes('does not answer ('))
    return `etcdctl --endpoints=${host} endpoint health    # ETCDCTL_API=3, from here: is it the way there or etcd?`;
  if (/certificate|TLS/.test(error))
    return `openssl s_client -connect ${host} </dev/null    # what it shows and wants; docs/security.md has the options`;
  return '# what is to be put right is named above; docs/security.md has the options';
}

function health({ host, version, latency, size, quota, alarms = [], leaderless }: EtcdMember): readonly Finding[] {
  const findings: Finding[] = [];
  if (leaderless === true)
    findings.push(
      fail('etcd', {
        found: `${host} knows no leader`,
        why: 'Without a majority of its members etcd takes no writes, and leases run out.',
        mend: `etcdctl --endpoints=${host} member list`,
      }),
    );
  if (version !== undefined && isOlder(version))
    findings.push(
      fail('etcd', {
        found: `${host} has version ${version}; expected ${OLDEST.join('.')} or later`,
        why: 'Its leases and watches are not what the agents are tested with.',
        mend: 'apt-get install --only-upgrade etcd-server',
      }),
    );
  if (latency !== undefined && latency > SLOW)
    findings.push(
      warn('etcd', {
        found: `${host} takes ${milliseconds(latency)} to answer a read`,
        why: 'Every change takes as long to become known; above a third of --ttl leases are lost.',
        mend: `etcdctl --endpoints=${host} check perf    # writes for a minute: its disk, its processor or the way there?`,
      }),
    );
  const room = `etcdctl --endpoints=${host} compact $(etcdctl --endpoints=${host} endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)\netcdctl --endpoints=${host} defrag`;
  if (alarms.includes('NOSPACE'))
    findings.push(
      fail('etcd', {
        found: `${host} has used up its space (alarm NOSPACE)`,
        why: 'It takes removals only: nothing is registered any more.',
        mend: `${room}\netcdctl --endpoints=${host} alarm disarm`,
      }),
    );
  else if (size !== undefined && quota !== undefined && size > quota * NEARLY_FULL)
    findings.push(
      warn('etcd', {
        found: `${host} has used ${Math.round((100 * size) / quota)} % of its space (${megabytes(size)} of ${megabytes(quota)})`,
        why: 'When it is used up, etcd takes removals only: nothing is registered any more.',
        mend: room,
      }),
    );
  if (alarms.includes('CORRUPT'))
    findings.push(
      fail('etcd', {
        found: `${host} says that a member’s data is corrupt (alarm CORRUPT)`,
        why: 'Its members hold different trees.',
        mend: `etcdctl --endpoints=${host} endpoint hashkv --cluster`,
      }),
    );
  return findings;
}

function clock({ host, clock: reading }: EtcdMember): readonly Finding[] {
  if (reading === undefined) return [ok('clock', `${host} does not say what time it has`)];
  const { ahead, uncertainty } = reading;
  const beyond = Math.abs(ahead) - uncertainty;
  if (beyond <= SKEWED) return [ok('clock', `that of ${host} agrees, as far as its whole seconds say`)];
  return [
    warn('clock', {
      found: `that of ${host} is ${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead' : 'behind'} (± ${milliseconds(uncertainty)})`,
      why: 'Leases do not depend on it, etcd counts them by itself; times in status and logs do, and certificates may not be valid yet or any more.',
      mend: 'timedatectl set-ntp true    # on whichever of the two is wrong',
    }),
  ];
}

function permissions({ url, access }: EtcdExamination): readonly Finding[] {
  const refused = access.filter(({ allowed }) => allowed === false);
  if (refused.length === 0)
    return access.some(({ allowed }) => allowed === true) ? [ok('permissions', describeAccess(access))] : [];
  const location = parseSourceUrl(url);
  const prefix = location.type === 'etcd' ? location.prefix : '';
  return refused.map(({ path, access: kind, reason = '' }) => {
    const mend = `${remedyFor(prefix, kind, path).command}    # prints the etcdctl commands that grant it`;
    // Roles may name services: the one that was asked for is nobody's.
    if (path === ANY_BACKEND)
      return warn('permissions', {
        found: `${url}: backends of just any service cannot be written`,
        why: 'Containers are registered for those services only that a role of this user names, if it names any.',
        mend,
      });
    return fail('permissions', {
      found: `${url}: ${path === '' ? 'the tree' : path} cannot be ${kind === 'read' ? 'read' : 'written'}: ${reason}`,
      why: kind === 'read' ? 'The agent learns nothing.' : 'What the agent writes there is not seen by anybody.',
      mend,
    });
  });
}

function describeAccess(access: readonly EtcdAccess[]): string {
  const writes = access
    .filter(({ access: kind, allowed }) => kind === 'write' && allowed === true)
    .map(({ path }) => path);
  return `may read the tree${writes.length === 0 ? '' : `, and write ${some(writes)}`}`;
}

/** Who reaches an etcd without users or certificates decides what is published. */
function protection({ url, members, access }: EtcdExamination, reached: readonly EtcdMember[]): readonly Finding[] {
  const isRemote = members.some(({ host }) => !/^(127\.|\[::1\]|localhost:)/.test(host));
  const isOpen = url.startsWith('etcd+http:') && !access.some(({ allowed }) => allowed === false);
  if (!isRemote || !isOpen || reached.length === 0) return [];
  return [
    warn('etcd', {
      found: `${url} is spoken to in the clear`,
      why: 'Whoever is on the way reads and changes what is published where; passwords are read, too.',
      mend: '# docs/security.md: certificates for etcd, then --etcd-scheme https --etcd-ca … --etcd-cert … --etcd-key …',
    }),
  ];
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

function milliseconds(duration: number): string {
  return duration < 10 ? `${duration.toFixed(1)} ms` : `${Math.round(duration)} ms`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
