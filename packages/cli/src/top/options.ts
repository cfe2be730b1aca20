import { defineCommand, type OptionsOf } from '@clusterf/daemon';
import { command as agent } from '@clusterf/ipvs-agent';
import { etcdFlags } from '@clusterf/store';
import { VERSION } from '../version.js';
import { agentUrl, LOCAL_AGENT } from './agent-counters.js';
import { SORTINGS } from './sums.js';

export const command = defineCommand({
  command: 'clusterf top',
  summary:
    'Live rates and connections by service and backend, of one balancer or the sum of several.\n' +
    "Asks the agent of this machine, which needs no root, and the tree for containers' names if it can be read. Rates are the kernel's own estimates, averaged over some 8 s " +
    'and refreshed every 2 s.\n' +
    'On a terminal q ends it; c, a, p, b, n sort by connections/s, active connections, packets/s, bytes/s, name. ' +
    'Elsewhere, and with --iterations, the looks are printed one after the other.',
  version: VERSION,
  attended: true,
  options: {
    from: {
      type: 'list',
      group: 'Counters',
      check: (text: string) =>
        agentUrl(text) === undefined ? 'where an agent listens: HOST:PORT or http://HOST:PORT' : undefined,
      describe: "ask this balancer's agent (--http-listen there), repeatable: the sum of all is shown",
      defaultText: LOCAL_AGENT,
    },
    kernel: {
      type: 'boolean',
      group: 'Counters',
      describe: "read this machine's kernel instead, and the names in the tree; as root",
    },
    sort: {
      type: 'choice',
      choices: SORTINGS,
      default: 'connections',
      group: 'Output',
      describe: 'what the lines are sorted by: new connections/s, active connections, packets/s, bytes/s or name',
    },
    interval: {
      type: 'duration',
      default: '2s',
      check: (ms: number) => (ms >= 100 ? undefined : 'at least 100ms'),
      group: 'Output',
      describe: 'time from one look to the next',
    },
    iterations: {
      type: 'integer',
      alias: 'n',
      min: 1,
      max: 1_000_000_000,
      group: 'Output',
      describe: 'end after so many looks',
      defaultText: 'until it is ended',
    },
    once: { type: 'boolean', group: 'Output', describe: 'the same as --iterations 1' },
    output: {
      type: 'choice',
      choices: ['table', 'json'],
      default: 'table',
      alias: 'o',
      group: 'Output',
      describe: 'a table for people, or a line of JSON for each look',
    },
    'config-source': agent.options['config-source'],
    'filter-routes': agent.options['filter-routes'],
    'only-host': agent.options['only-host'],
    ...etcdFlags,
  },
});

export type TopOptions = OptionsOf<typeof command>;
