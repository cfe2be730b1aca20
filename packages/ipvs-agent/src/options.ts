import { hostname } from 'node:os';
import { defineCommand, httpListenOption, type OptionsOf } from '@clusterf/daemon';
import { checkName } from '@clusterf/model';
import { etcdFlags, sourceFlags } from '@clusterf/store';
import { checkInterfaceName } from './addresses/index.js';
import { checkMasquerade } from './masquerade/index.js';
import { PROFILE_NAMES } from './profiles.js';
import { checkSysctl } from './sysctl.js';

/** `50%` as 0.5; `off` as 1, everything; undefined for anything else. */
export function parseShare(text: string): number | undefined {
  if (text === 'off') return 1;
  const [, percent] = /^(\d{1,3})%$/.exec(text) ?? [];
  return percent === undefined || Number(percent) > 100 ? undefined : Number(percent) / 100;
}

/** `clusterf-ipvs`: the Go program's options keep their names; where it had a prefix, the short name is an alias. */
export const command = defineCommand({
  command: 'clusterf-ipvs',
  summary:
    "Keeps this machine's kernel IPVS table as the configuration tree says. Needs CAP_NET_ADMIN and a kernel with ip_vs.",
  version: '0.1.0',
  options: {
    ...sourceFlags,
    'only-host': {
      type: 'string',
      group: 'Configuration',
      describe: 'take only backends that this Docker host registered (the host tier)',
    },
    'balancer-name': {
      type: 'string',
      check: (name: string) => {
        const checked = checkName(name);
        return checked.ok ? undefined : `a name for a key: ${checked.message}`;
      },
      group: 'Configuration',
      describe: "this balancer's name in the tree: balancers/NAME/sync, balancers/NAME/status",
      defaultText: "the machine's host name",
    },
    ttl: {
      type: 'duration',
      default: '10s',
      check: (ttl: number) => (ttl > 0 ? undefined : 'more than 0'),
      group: 'Configuration',
      describe: "how long the balancer's status in etcd outlives the agent",
    },
    ...etcdFlags,
    'ipvs-fwd-method': {
      type: 'choice',
      choices: ['masq', 'droute', 'tunnel'],
      default: 'masq',
      alias: 'fwd-method',
      group: 'IPVS',
      describe: 'forwarding method where neither route nor frontend says',
    },
    'ipvs-sched-name': {
      type: 'string',
      default: 'wlc',
      alias: 'sched-name',
      check: (name: string) => (/^[a-z0-9_]{1,15}$/.test(name) ? undefined : 'a scheduler name such as wlc'),
      group: 'IPVS',
      describe: 'scheduler where the frontend does not say',
    },
    elide: {
      type: 'boolean',
      alias: 'ipvs-elide',
      group: 'IPVS',
      describe: 'leave out virtual services without destinations',
    },
    resync: {
      type: 'duration',
      default: '30s',
      group: 'IPVS',
      describe: 'time between looks at the whole kernel table, which repair what somebody else changed; 0 = never',
    },
    'drain-timeout': {
      type: 'duration',
      default: '60s',
      group: 'IPVS',
      describe: 'how long a removed destination keeps its established connections, at weight 0; 0 = not at all',
    },
    brake: {
      type: 'string',
      default: '50%',
      check: (text: string) => (parseShare(text) === undefined ? 'a percentage such as 50%, or off' : undefined),
      group: 'IPVS',
      describe: 'share of the destinations there were that may go within --brake-hold, from 4 of them on; or off',
    },
    'brake-hold': {
      type: 'duration',
      default: '30s',
      group: 'IPVS',
      describe: 'how long a greater removal has to be asked for, without a break, until it is done',
    },
    adopt: {
      type: 'boolean',
      group: 'IPVS',
      describe: 'take over virtual services that are there already: what the tree does not name goes',
    },
    'state-dir': {
      type: 'string',
      default: '/run/clusterf',
      group: 'IPVS',
      describe: 'where the agent remembers what in the kernel is its own',
    },
    'vip-interface': {
      type: 'string',
      check: checkInterfaceName,
      group: 'Machine',
      describe: 'device that the virtual addresses are put on, made if it is missing; none unless given',
    },
    'withdraw-when-empty': {
      type: 'boolean',
      group: 'Machine',
      describe: 'take a virtual address away while nothing on it has a destination of weight > 0',
    },
    'exit-withdraw': {
      type: 'boolean',
      group: 'Machine',
      describe: 'take the virtual addresses away on exit, so that routers send no more; the table stays',
    },
    masquerade: {
      type: 'list',
      check: checkMasquerade,
      group: 'Machine',
      describe:
        'let containers of this network (PREFIX) reach services that run beside them: give their connections an address of this machine; repeatable',
    },
    'exit-unmasquerade': {
      type: 'boolean',
      group: 'Machine',
      describe: 'remove the rules of --masquerade on exit',
    },
    profile: {
      type: 'choice',
      choices: PROFILE_NAMES,
      group: 'Machine',
      describe: 'keep kernel settings as this kind of balancer needs them; none are touched unless given',
    },
    sysctl: {
      type: 'list',
      check: checkSysctl,
      group: 'Machine',
      describe: 'keep this kernel setting too, or instead: NAME=VALUE; repeatable',
    },
    'http-listen': httpListenOption(9780),
    flush: {
      type: 'boolean',
      group: 'Running',
      describe: 'delete every virtual service, whoever made it, before the first pass',
    },
    clear: {
      type: 'boolean',
      group: 'Running',
      describe:
        "take away what an agent with these options put into the kernel, and exit: virtual services, addresses, sync daemons, --masquerade's rules",
    },
    noop: {
      type: 'boolean',
      alias: 'ipvs-noop',
      group: 'Running',
      describe: 'read the kernel, print the operations, write nothing',
    },
    print: { type: 'boolean', group: 'Running', describe: 'print the table after every pass that changed it' },
    once: { type: 'boolean', group: 'Running', describe: 'exit when the kernel is as the tree says' },
    debug: { type: 'boolean', alias: 'ipvs-debug', group: 'Logging', describe: 'the same as --log-level debug' },
  },
});

export type CommandOptions = OptionsOf<typeof command>;

/** What `--clear` comes to: nothing holds back what goes, and nothing new is set. */
export function clearing(options: CommandOptions): CommandOptions {
  const changed = { brake: 'off', drainTimeout: 0, profile: undefined, sysctl: [], flush: false, adopt: false };
  return { ...options, ...changed, once: false, exitWithdraw: true, exitUnmasquerade: true };
}

/** The machine's name, where no option says otherwise. */
export function balancerName(options: CommandOptions): string {
  return options.balancerName ?? hostname();
}
