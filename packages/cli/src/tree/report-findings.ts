import type { CommandSpec } from '@clusterf/daemon';
import type { Finding } from './findings.js';
import { complain } from './in-words.js';

export function tell(spec: CommandSpec, findings: readonly Finding[]): void {
  for (const { level, path, message } of findings) complain(spec, `${level}: ${path}: ${message}`);
}

/**
 * Tells what speaks against a change. A warning is told and no more: it depends on how a balancer is set up.
 *
 * @returns whether it is to be left undone
 */
export function isRefused(spec: CommandSpec, findings: readonly Finding[], force: boolean): boolean {
  tell(spec, findings);
  const refused = !force && findings.some(({ level }) => level === 'error');
  if (refused) complain(spec, 'nothing was written; --force writes it all the same');
  return refused;
}
