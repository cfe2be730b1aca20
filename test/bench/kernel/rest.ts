/** (f), (g): what the agent takes when there is nothing to do: memory by size, processor time over a minute. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Environment } from './environment.js';
import { markdownTable } from '../markdown.js';
import { nameOf, type Shape } from './shape.js';

const SHAPES: readonly Shape[] = [
  { services: 100, destinations: 1 },
  { services: 1000, destinations: 10 },
  { services: 10_000, destinations: 1 },
  { services: 1, destinations: 10_000 },
  { services: 10_000, destinations: 5 },
];
/** At this one idle time is measured for a whole minute, two walks of the kernel's table among it. */
const IDLE: Shape = { services: 10_000, destinations: 1 };
const MINUTE = 60_000;
/** Milliseconds for what the start left to be collected. */
const SETTLING = 5000;

export async function measureRest(environment: Environment): Promise<string> {
  const rows: string[][] = [];
  for (const shape of environment.quick ? SHAPES.slice(0, 2) : SHAPES) {
    await using agent = await environment.agentOn(shape);
    await delay(SETTLING);
    const [resident, highest] = [agent.memory('VmRSS'), agent.memory('VmHWM')];
    let idle = '';
    if (shape.services === IDLE.services && shape.destinations === IDLE.destinations) {
      const before = agent.cpu();
      await delay(MINUTE);
      idle = `${((100 * (agent.cpu() - before)) / MINUTE).toFixed(2)} %`;
    }
    rows.push([nameOf(shape), `${resident.toFixed(0)} MB`, `${highest.toFixed(0)} MB`, idle]);
    environment.say(`${nameOf(shape)}: ${resident.toFixed(0)} MB, at most ${highest.toFixed(0)} MB ${idle}`);
    await agent.stop();
  }
  return markdownTable(['services × destinations', 'VmRSS', 'VmHWM', 'processor, idle minute'], rows);
}
