import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The virtual address that the tests publish on. */
export const VIP = '10.107.107.107';

const NETNS = 'client';
const BALANCER = '192.0.2.1/24';
const CLIENT = '192.0.2.2/24';

/** A client in a network namespace of its own, one link away from the machine, which is balancer and Docker host. */
export interface ClientNetwork extends AsyncDisposable {
  /** As nsenter takes it. */
  readonly netns: string;
}

/** Lays the link, gives the machine the virtual address and the client a route to it. */
export async function setUpNetwork(): Promise<ClientNetwork> {
  const ip = async (...args: readonly string[]) => await run('ip', [...args]);
  await ip('netns', 'add', NETNS);
  await ip('link', 'add', 'to-client', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', NETNS);
  await ip('address', 'add', BALANCER, 'dev', 'to-client');
  await ip('link', 'set', 'to-client', 'up');
  await ip('address', 'add', `${VIP}/32`, 'dev', 'lo');
  await ip('-n', NETNS, 'link', 'set', 'lo', 'up');
  await ip('-n', NETNS, 'address', 'add', CLIENT, 'dev', 'eth0');
  await ip('-n', NETNS, 'link', 'set', 'eth0', 'up');
  await ip('-n', NETNS, 'route', 'add', 'default', 'via', BALANCER.replace(/\/.*/, ''));
  await run('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
  return {
    netns: `/run/netns/${NETNS}`,
    [Symbol.asyncDispose]: async () => {
      await ip('address', 'del', `${VIP}/32`, 'dev', 'lo');
      await ip('netns', 'del', NETNS);
    },
  };
}
