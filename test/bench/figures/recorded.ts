/** What docs/results has of earlier runs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { projectRoot } from '../../lab/project.js';
import type { Results } from '../data-plane/results.js';

const Requests = z.object({
  perSecond: z.number(),
  p50: z.number(),
  p99: z.number(),
  machine: z.number(),
  process: z.number().exactOptional(),
});
const Ways = z.record(
  z.string(),
  z.object({
    title: z.string(),
    requests: z.object({ kept: z.array(Requests), new: z.array(Requests) }),
    bulk: z.object({ up: z.array(z.number()), down: z.array(z.number()) }),
  }),
);

const Change = z.object({ command: z.number(), listening: z.number().exactOptional(), failures: z.number() });
const ControlPlane = z.record(
  z.string(),
  z.object({ title: z.string(), growth: z.array(Change), decline: z.array(Change) }),
);
export type RecordedControlPlane = z.infer<typeof ControlPlane>;

const Kind = z.object({ total: z.number(), moved: z.number(), broken: z.number() });
const Failovers = z.array(
  z.object({
    profile: z.string(),
    title: z.string(),
    detection: z.number(),
    outcome: z.object({
      connections: z.object({ talking: Kind, idle: Kind, young: Kind }),
      longestGap: z.number(),
      steady: z.number(),
      converged: z.number(),
      caughtUp: z.number().exactOptional(),
    }),
  }),
);
export type RecordedFailovers = z.infer<typeof Failovers>;

/** @returns none if that part was never recorded @throws if the file is not what the bench writes */
export async function recordedWays(part: string): Promise<Results | undefined> {
  const ways = await recorded(part, Ways);
  return ways && new Map(Object.entries(ways));
}

export async function recordedControlPlane(): Promise<RecordedControlPlane | undefined> {
  return await recorded('control-plane', ControlPlane);
}

export async function recordedFailovers(): Promise<RecordedFailovers | undefined> {
  return await recorded('failover', Failovers);
}

async function recorded<T>(part: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const path = join(projectRoot(), 'docs', 'results', `${part}.json`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : schema.parse(JSON.parse(text));
}
