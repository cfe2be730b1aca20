import { join } from 'node:path';
import { type Contender, startCommand } from '../contender.js';

/** The balancer's agent, with its default settings. */
export function startAgent(directory: string, args: readonly string[]): Contender {
  return startCommand(
    'clusterf-ipvs',
    ['--state-dir', join(directory, 'state'), ...args],
    join(directory, 'agent.log'),
  );
}
