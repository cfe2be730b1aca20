import { defineCommand, type OptionsOf } from '@clusterf/daemon';
import { command as ipvsCommand } from '@clusterf/ipvs-agent';
import { VERSION } from '../version.js';

export const command = defineCommand({
  command: 'clusterf doctor',
  summary:
    'Looks at this machine, its etcd, its Docker and its agents for what operators stumble over: each finding with what ' +
    'it leads to and what mends it. Changes nothing and loads no kernel module.\n\n' +
    'The agents’ options are read from where they read them: their configuration files and the environment; what is ' +
    'given here goes before. Exits with 1 if something fails.',
  version: VERSION,
  attended: true,
  options: {
    for: {
      type: 'choice',
      choices: ['ipvs', 'docker', 'both'],
      group: 'Doctor',
      describe: 'what this machine is to be: a balancer, a Docker host',
      defaultText: 'what is found: ip_vs, a Docker socket, configuration files',
    },
    output: {
      type: 'choice',
      choices: ['text', 'json', 'yaml'],
      default: 'text',
      alias: 'o',
      group: 'Doctor',
      describe: 'findings for people, or data for programs',
    },
    quiet: { type: 'boolean', group: 'Doctor', describe: 'leave out what is fine' },
    'ipvs-config': {
      type: 'string',
      default: '/etc/clusterf/ipvs.json',
      group: 'Agents',
      describe: 'configuration file of clusterf-ipvs, if it is there',
    },
    'docker-config': {
      type: 'string',
      default: '/etc/clusterf/docker.json',
      group: 'Agents',
      describe: 'configuration file of clusterf-docker, if it is there',
    },
    'config-source': {
      type: 'list',
      group: 'Agents',
      describe: 'as of the agents: where the tree is',
      defaultText: 'etcd:',
    },
    'filter-routes': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'only-host': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'balancer-name': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'ipvs-fwd-method': {
      type: 'choice',
      choices: ['masq', 'droute', 'tunnel'],
      group: 'Agents',
      describe: 'as of clusterf-ipvs',
    },
    'ipvs-sched-name': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'state-dir': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'vip-interface': { type: 'string', group: 'Agents', describe: 'as of clusterf-ipvs' },
    profile: {
      type: 'choice',
      choices: ipvsCommand.options.profile.choices,
      group: 'Agents',
      describe: 'as of clusterf-ipvs',
    },
    sysctl: { type: 'list', group: 'Agents', describe: 'as of clusterf-ipvs' },
    masquerade: { type: 'list', group: 'Agents', describe: 'as of clusterf-ipvs' },
    'docker-endpoint': { type: 'string', group: 'Agents', describe: 'as of clusterf-docker' },
    'host-name': { type: 'string', group: 'Agents', describe: 'as of clusterf-docker' },
    'etcd-scheme': { type: 'choice', choices: ['http', 'https'], group: 'Agents', describe: 'as of the agents' },
    'etcd-host': { type: 'list', group: 'Agents', describe: 'as of the agents' },
    'etcd-prefix': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'etcd-ca': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'etcd-cert': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'etcd-key': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'etcd-user': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'etcd-password-file': { type: 'string', group: 'Agents', describe: 'as of the agents' },
    'log-level': {
      type: 'choice',
      choices: ['error', 'warn', 'info', 'debug'],
      default: 'warn',
      group: 'Logging',
      describe: 'least important level to log',
    },
  },
});

export type DoctorOptions = OptionsOf<typeof command>;
