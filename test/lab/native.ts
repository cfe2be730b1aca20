import { join } from 'node:path';

/** The command that starts a `native` machine: namespaces of the host's kernel, whose first process is boot.sh. */
export function nativeCommand(directory: string): string[] {
  const namespaces = ['--mount', '--net', '--pid', '--ipc', '--uts', '--cgroup'];
  return [
    '/bin/sh',
    join(directory, 'enter-native.sh'),
    'unshare',
    ...namespaces,
    '--fork',
    '--kill-child',
    '--propagation=private',
    '/bin/bash',
    join(directory, 'boot.sh'),
  ];
}
