/** The agents themselves: what they are allowed, where they keep what they remember, whether they run. */
import type { Agent, Facts } from '../facts.js';
import { fail, type Finding, ok, some, warn } from '../finding.js';
import { onTree } from '../view.js';

/** CAP_NET_ADMIN in linux/capability.h. */
const NET_ADMIN = 1n << 12n;

export function checkAgents(facts: Facts): readonly Finding[] {
  const { ipvs, docker, up, agents, machine, misconfigured } = facts;
  return [
    ...misconfigured.map((message) =>
      fail('options', {
        found: message,
        why: 'The agent refuses to start with it; what follows was judged without.',
        mend: 'clusterf-ipvs --help    # or clusterf-docker --help: names and values',
      }),
    ),
    ...(ipvs === undefined ? [] : [...privileges(facts), ...stateDirectory(facts)]),
    ...(ipvs === undefined
      ? []
      : running(up === undefined ? 'clusterf-ipvs' : 'clusterf up', agents.ipvs, machine.version)),
    ...(docker === undefined ? [] : running('clusterf-docker', agents.docker, machine.version)),
    ...problems(facts),
  ];
}

function privileges({ machine: { capabilities }, agents }: Facts): readonly Finding[] {
  if (capabilities === undefined || (capabilities & NET_ADMIN) !== 0n) return [ok('privileges', 'CAP_NET_ADMIN')];
  const trouble = {
    found: 'this process has no CAP_NET_ADMIN',
    why: 'clusterf-ipvs needs it for the kernel’s table, for addresses and settings; this command to see all of them.',
    mend: 'sudo clusterf doctor    # and run clusterf-ipvs as root, or with AmbientCapabilities=CAP_NET_ADMIN',
  };
  return [agents.ipvs?.state === 'running' ? warn('privileges', trouble) : fail('privileges', trouble)];
}

function stateDirectory({ machine: { stateDirectory: directory } }: Facts): readonly Finding[] {
  if (directory === undefined) return [];
  const { path, obstacle } = directory;
  if (obstacle === undefined) return [ok('state directory', `${path} can be written`)];
  return [
    fail('state directory', {
      found: `${path} cannot be written: ${obstacle}`,
      why: 'There the agent remembers what in the kernel is its own; without it, what the tree drops stays for ever.',
      mend: `install -d -m 0755 ${path}    # as the user that runs clusterf-ipvs, or choose another by --state-dir`,
    }),
  ];
}

function running(name: string, agent: Agent | undefined, version: string): readonly Finding[] {
  if (agent === undefined) return [];
  const { listen, state, lockHolder, unit } = agent;
  switch (state) {
    case 'stranger':
      return [
        fail(name, {
          found: `somebody else listens on ${listen}`,
          why: 'The agent says nothing there of how it is, and is not seen to be ready.',
          mend: `ss -ltnp 'sport = :${listen.replace(/^.*:/, '')}'    # who is it? or choose another by --http-listen`,
        }),
      ];
    case 'silent':
      return [silent(name, agent)];
    case 'nobody':
      return [
        lockHolder === undefined
          ? warn(name, {
              found: `it does not run (nobody listens on ${listen})`,
              why: 'What was last in force stays in force, and nothing that changes is done.',
              mend:
                unit === 'none'
                  ? `${name}    # under whatever starts it again when it ends`
                  : `systemctl enable --now ${unitName(name)}`,
            })
          : warn(name, {
              found: `process ${lockHolder} keeps the kernel’s table, and nobody listens on ${listen}`,
              why: 'It was told to listen elsewhere or not at all, or hangs: how it is cannot be told from here.',
              mend: lockHolder === 'unseen' ? 'sudo clusterf doctor' : `tr '\\0' ' ' < /proc/${lockHolder}/cmdline`,
            }),
      ];
    case 'unknown':
      return [ok(name, 'it is told not to listen: how it is cannot be told from here')];
    case 'running':
      return health(name, agent, version);
  }
}

/** Somebody has the port and does not answer: the agent itself, as far as can be seen, and then not to be told another port. */
function silent(name: string, { listen, lockHolder, stopped }: Agent): Finding {
  const found = `who listens on ${listen} does not answer`;
  if (typeof lockHolder !== 'number')
    return fail(name, {
      found,
      why: 'If it is the agent, it hangs: what was last in force stays in force, and nothing that changes is done.',
      mend: `ss -ltnp 'sport = :${listen.replace(/^.*:/, '')}'    # who is it? the agent: systemctl restart ${unitName(name)}`,
    });
  return fail(name, {
    found: `${found}; process ${lockHolder}, which keeps the kernel’s table, ${stopped === true ? 'is stopped' : 'runs, and may hang'}`,
    why: 'The kernel forwards on as it was told last; nothing that changes is done.',
    mend:
      stopped === true
        ? `kill -CONT ${lockHolder}    # somebody stopped it, by SIGSTOP or a debugger`
        : `systemctl restart ${unitName(name)}    # or end process ${lockHolder} and start it again; a restart drops nothing`,
  });
}

/** `clusterf up` has one of its own: docs/up.md. */
function unitName(name: string): string {
  return name.replace(' ', '-');
}

function health(name: string, agent: Agent, expected: string): readonly Finding[] {
  const { listen, version, unhealthy, unready, unit, problems: count = 0 } = agent;
  const findings: Finding[] = [];
  const status = `curl -s http://${listen}/status`;
  if (unhealthy !== undefined)
    findings.push(
      fail(name, {
        found: `it is not healthy: ${unhealthy}`,
        why: 'It no longer does its work.',
        mend: `systemctl restart ${unitName(name)}`,
      }),
    );
  else if (unready !== undefined)
    findings.push(
      fail(name, {
        found: `it is not ready: ${unready}`,
        why: 'It has not yet done what the tree asks for.',
        mend: status,
      }),
    );
  if (version !== undefined && version !== expected)
    findings.push(
      warn(name, {
        found: `it runs in version ${version}; installed is ${expected}`,
        why: 'It was started before the upgrade. A restart drops nothing.',
        mend: `systemctl restart ${unitName(name)}`,
      }),
    );
  if (unit === 'disabled')
    findings.push(
      warn(name, {
        found: 'it is not started when the machine starts',
        why: 'After a reboot the machine balances nothing, or its containers are not registered.',
        mend: `systemctl enable ${unitName(name)}`,
      }),
    );
  if (count > 0)
    findings.push(
      warn(name, {
        found: `it has ${count} ${count === 1 ? 'problem' : 'problems'}`,
        why: 'Each names a key, its value and what was expected.',
        mend: status,
      }),
    );
  return findings.length > 0 ? findings : [ok(name, `version ${version ?? expected}, healthy and ready`)];
}

function problems(facts: Facts): readonly Finding[] {
  const { tree } = facts;
  if (tree === undefined) return [];
  const { problems: all, own } = tree;
  if (all.length === 0) return [ok('tree', `${own.size} virtual ${own.size === 1 ? 'service' : 'services'}`)];
  return [
    warn('tree', {
      found: some(all.map(({ key, message }) => `${key}: ${message}`)),
      why: 'A bad entry keeps its last good value, or is left out; everything else goes on.',
      mend: onTree(facts, 'validate'),
    }),
  ];
}
