import { defineCommand, type Environment, FailureError, runCommand, systemClock, UsageError } from '@clusterf/daemon';
import { decodeDrain, type Drain, encodeDrain } from '@clusterf/model';
import type { EditableTree } from '@clusterf/store';
import { onOneLine, outputOption } from '../output.js';
import { inWords } from '../tree/in-words.js';
import { openOneTree, treeOptions } from '../tree/tree-options.js';
import { VERSION } from '../version.js';
import { backendsOf, type Drained, known, type Known, type Target } from './known.js';
import { listing } from './listing.js';
import { obstaclesTo } from './obstacles.js';
import { describe, drainKey, resolve } from './target.js';
import { waitFor } from './wait.js';

export const command = defineCommand({
  command: 'clusterf drain',
  summary:
    'Lets a Docker host, a backend or a balancer take no new connections, until clusterf undrain.\n\n' +
    'host NAME and backend SERVICE/BACKEND have weight 0 on every balancer; established connections go on. ' +
    'balancer NAME takes its virtual addresses away, so that routers send to others. The kind may be left out where ' +
    'only one thing has that name; of a backend the container’s name or the beginning of its id will do. ' +
    'Without operands: what is drained.',
  version: VERSION,
  operands: '[[host|backend|balancer] NAME]',
  attended: true,
  options: {
    reason: { type: 'string', group: 'Drain', describe: 'why, for whoever looks' },
    wait: {
      type: 'duration',
      group: 'Drain',
      describe:
        'wait at most so long until nothing of it goes on: no active connection on any balancer, no virtual address bound; exit with 1 if anything does',
    },
    force: {
      type: 'boolean',
      group: 'Drain',
      describe: 'also what the tree does not know, and what leaves a service without anything that takes connections',
    },
    ...treeOptions,
    ...outputOption,
  },
});

/** The `clusterf drain` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      using tree = openOneTree(options, signal);
      const reading = await tree.read();
      const there = known(reading);
      if (operands.length === 0) {
        if (options.reason !== undefined || options.wait !== undefined || options.force)
          throw new UsageError('what is to be drained? Expected host NAME, backend SERVICE/BACKEND or balancer NAME');
        if (there.drained.length === 0 && options.output === 'table') process.stderr.write('nothing is drained\n');
        else process.stdout.write(listing(there, options.output));
        return;
      }
      const target = resolve(operands, there, { verb: 'drain', force: options.force });
      const before = there.drained.find(({ kind, name }) => kind === target.kind && name === target.name);
      const isGuarded = before === undefined && !options.force;
      if (isGuarded) refuse(target, there);
      const path = drainKey(target);
      const stored = reading.get(path)?.value;
      const wanted = entryOf(stored, options.reason);
      if (wanted !== stored) await tree.write(new Map([[path, wanted]]), reading);
      if (isGuarded) await refuseAfterwards(target, tree);
      say(before === undefined ? inForce(target, there) : `${describe(target)} was drained already${saidOf(before)}`);
      if (options.wait === undefined) return;
      const drain = readDrain(wanted);
      await waitFor({ ...target, drain }, tree, {
        limit: options.wait,
        clock: systemClock,
        signal,
        onNews: sayWaiting,
      });
      say(target.kind === 'balancer' ? 'no virtual address is left on it' : 'no active connection is left');
    }),
  );
}

/** @throws {FailureError} if something speaks against it */
function refuse(target: Target, there: Known): void {
  const obstacles = obstaclesTo(target, there);
  if (obstacles.length > 0)
    throw new FailureError(
      `${describe(target)} is not drained: ${obstacles.join('; ')}. --force drains it all the same`,
    );
}

/**
 * Of two that drain at once each sees the other's drain at the latest here, and what is left then is not enough: it is
 * undone, if need be by both.
 *
 * @throws {FailureError} if something speaks against it now
 */
async function refuseAfterwards(target: Target, tree: EditableTree): Promise<void> {
  const reading = await tree.read();
  const path = drainKey(target);
  try {
    refuse(target, known(new Map([...reading].filter(([each]) => each !== path))));
  } catch (error) {
    await tree.write(new Map([[path, undefined]]), reading);
    throw error;
  }
}

/** As the balancers read it: what cannot be read says nothing. */
function readDrain(text: string): Drain {
  const decoded = decodeDrain(text);
  return decoded.ok ? decoded.value : {};
}

/** What the entry is to say: as it is, unless there is none or another reason is given. */
function entryOf(stored: string | undefined, reason: string | undefined): string {
  const decoded = stored === undefined ? undefined : decodeDrain(stored);
  if (stored !== undefined && (reason === undefined || (decoded?.ok && decoded.value.reason === reason))) return stored;
  const { since = new Date().toISOString() } = decoded?.ok ? decoded.value : {};
  return encodeDrain({ ...(reason !== undefined && { reason }), since }, decoded?.ok ? decoded.unknown : {});
}

function inForce(target: Target, { config }: Known): string {
  const backends = backendsOf(target, config);
  if (target.kind === 'balancer') return `${describe(target)} is drained: it takes its virtual addresses away`;
  if (target.kind === 'backend') return `${describe(target)} is drained: it takes no new connections`;
  const which = backends === 1 ? 'its one backend takes' : `its ${backends} backends take`;
  return `${describe(target)} is drained: ${backends === 0 ? 'there is no backend on it now' : `${which} no new connections`}`;
}

function saidOf({ drain: { since, reason } }: Drained): string {
  return `${since === undefined ? '' : ` since ${since}`}${reason === undefined ? '' : ` (${reason})`}`;
}

function sayWaiting(message: string): void {
  process.stderr.write(`waiting: ${onOneLine(message)}\n`);
}

function say(text: string): void {
  process.stdout.write(`${onOneLine(text)}\n`);
}
