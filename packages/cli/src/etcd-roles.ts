/** `clusterf etcd-roles`: the roles by which each agent may do what it has to in etcd, and no more. */
import { ConfigurationError, defineCommand, type Environment, runCommand } from '@clusterf/daemon';
import { checkName } from '@clusterf/model';
import { parseSourceUrl, treeRoles } from '@clusterf/store';
import { etcdctlScript } from './etcd-roles-script.js';
import { VERSION } from './version.js';

const isName = (text: string) => (checkName(text).ok ? undefined : 'a name without / and control characters');

export const command = defineCommand({
  command: 'clusterf etcd-roles',
  summary:
    'Prints the roles and users that etcd needs for agents to do what they have to, and no more.\n' +
    'The etcdctl commands are for sh; nothing is asked of etcd. Who may do what then: docs/security.md.',
  version: VERSION,
  attended: true,
  options: {
    host: {
      type: 'list',
      group: 'Users',
      check: isName,
      describe: "a Docker host's name, --host-name of its agent; repeatable",
    },
    balancer: {
      type: 'list',
      group: 'Users',
      check: isName,
      describe: "a balancer's name, --balancer-name of its agent; repeatable",
    },
    certificates: {
      type: 'boolean',
      group: 'Users',
      describe: 'users without passwords: the common name (CN) of their client certificates says who they are',
    },
    service: {
      type: 'list',
      group: 'Rights',
      check: isName,
      defaultText: 'all, and with them all frontends',
      describe: 'a service that Docker hosts may register backends for; repeatable',
    },
    frontends: {
      type: 'boolean',
      group: 'Rights',
      describe: 'Docker hosts may publish the frontends of those services from labels (--allow-frontend)',
    },
    routes: {
      type: 'boolean',
      group: 'Rights',
      describe: 'Docker hosts may advertise routes (--route-network), and so draw any traffic to themselves',
    },
    'config-source': {
      type: 'string',
      default: 'etcd:',
      group: 'Configuration tree',
      describe: 'the tree, as for the agents; only its prefix counts',
    },
    'etcd-prefix': {
      type: 'string',
      alias: 'prefix',
      default: '/clusterf',
      group: 'Configuration tree',
      describe: 'where the tree is, for URLs without a path',
    },
    output: {
      type: 'choice',
      choices: ['etcdctl', 'json'],
      default: 'etcdctl',
      alias: 'o',
      group: 'Output',
      describe: 'commands for sh, or data',
    },
  },
});

/** @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options) => {
    const { host: hosts, balancer: balancers, service: services, frontends, routes } = options;
    const location = parseSourceUrl(options.configSource, { prefix: options.etcdPrefix });
    if (location.type !== 'etcd') {
      throw new ConfigurationError(`--config-source ${options.configSource}: only etcd has roles; expected etcd://…`);
    }
    const { prefix } = location;
    const { roles, users } = treeRoles({ prefix, hosts, balancers, services, frontends, routes });
    process.stdout.write(
      options.output === 'json'
        ? `${JSON.stringify({ prefix, roles, users }, null, 2)}\n`
        : etcdctlScript(prefix, { roles, users }, options.certificates),
    );
  });
}
