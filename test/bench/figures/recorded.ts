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
const Recorded = z.record(
  z.string(),
  z.object({
    title: z.string(),
    requests: z.object({ kept: z.array(Requests), new: z.array(Requests) }),
    bulk: z.object({ up: z.array(z.number()), down: z.array(z.number()) }),
  }),
);

/** @returns none if that part was never recorded @throws if the file is not what the bench writes */
export async function recorded(part: string): Promise<Results | undefined> {
  const path = join(projectRoot(), 'docs', 'results', `${part}.json`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : new Map(Object.entries(Recorded.parse(JSON.parse(text))));
}
