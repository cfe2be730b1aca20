/** (d): an agent started anew on an unchanged tree. */
import { startAgent } from './agent.js';
import type { Environment } from './environment.js';
import { requireComplete } from './kernel-table.js';
import { markdownTable, seconds } from '../markdown.js';
import { nameOf, type Shape } from './shape.js';
import { median } from '../statistics.js';

const SHAPES: readonly Shape[] = [
  { services: 1000, destinations: 10 },
  { services: 10_000, destinations: 1 },
];

/** Every operation is logged, one line each, by these names and no others. */
const OPERATION = /^(new|changed|removed) (service|destination)$/;

export async function measureRestart(environment: Environment): Promise<string> {
  const rows: string[][] = [];
  for (const shape of SHAPES) {
    await using first = await environment.agentOn(shape);
    await first.stop();
    const made = operations(first.messages());
    const took: number[] = [];
    const again = new Set<number>();
    for (let run = 0; run < environment.runs; run += 1) {
      const source = ['--config-source', `etcd://${environment.etcd.host}`];
      await using agent = startAgent(environment.directory, ['--once', ...source]);
      took.push(await agent.finished());
      again.add(operations(agent.messages()));
    }
    await requireComplete(shape);
    rows.push([nameOf(shape), String(made), [...again].join(', '), seconds(median(took))]);
  }
  const headings = [
    'services × destinations',
    'operations of the first start',
    'of a restart',
    'restart with --once, median',
  ];
  return markdownTable(headings, rows);
}

function operations(messages: readonly string[]): number {
  return messages.filter((message) => OPERATION.test(message)).length;
}
