import { type Grant, type Role, shellWord, type TreeRoles, type User } from '@clusterf/store';

/** Commands for sh that make the roles and users, as far as they are not there. Run again they add what is new. */
export function etcdctlScript(prefix: string, { roles, users }: TreeRoles, certificates: boolean): string {
  return [
    `# Roles and users for the tree ${prefix}/ in etcd: to be read, and then run by sh. What is there already stays.`,
    '# Where etcd is and who asks it, ETCDCTL_ENDPOINTS, ETCDCTL_USER, ETCDCTL_CACERT … say.',
    'export ETCDCTL_API=3',
    ...roles.flatMap((role) => ['', ...roleCommands(role)]),
    '',
    certificates
      ? '# Users. Each is who its client certificate says by its common name (CN); etcd runs with --client-cert-auth.'
      : '# Users, with passwords in files here: put each where --etcd-password-file says on its machine, and away from here.',
    ...users.flatMap((user) => ['', ...userCommands(user, certificates)]),
    '',
    '# Last, and once for the whole etcd, others who use it included: from then on everybody has to be a user.',
    '# etcdctl user add root    # asks for a password',
    '# etcdctl role add root',
    '# etcdctl user grant-role root root',
    '# etcdctl auth enable',
    '',
  ].join('\n');
}

function roleCommands({ name, purpose, grants }: Role): readonly string[] {
  const role = shellWord(name);
  return [
    `# ${purpose}`,
    `etcdctl role get ${role} > /dev/null 2>&1 || etcdctl role add ${role}`,
    ...grants.map((grant) => grantCommand(role, grant)),
  ];
}

function grantCommand(role: string, { access, key, prefix }: Grant): string {
  return `etcdctl role grant-permission ${prefix ? '--prefix=true ' : ''}${role} ${access} ${shellWord(key)}`;
}

function userCommands({ name, roles }: User, certificates: boolean): readonly string[] {
  const user = shellWord(name);
  const file = shellWord(`${name}.password`);
  const isThere = `etcdctl user get ${user} > /dev/null 2>&1 ||`;
  return [
    ...(certificates
      ? [`${isThere} etcdctl user add --no-password ${user}`]
      : [
          `${isThere} {`,
          `  test -e ${file} || (umask 077; head -c 24 /dev/urandom | base64 > ${file})`,
          `  etcdctl user add --interactive=false ${user} < ${file}`,
          '}',
        ]),
    ...roles.map((role) => `etcdctl user grant-role ${user} ${shellWord(role)}`),
  ];
}
