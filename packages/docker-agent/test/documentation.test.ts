import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { projectRoot } from '../../../test/lab/index.js';
import { readExposition } from '../../ipvs-agent/test/exposition.js';
import { AgentMetrics } from '../src/metrics.js';
import type { AgentStatus } from '../src/status.js';
import { STATUS } from './status-fixture.js';

/** Every field, as the compiler knows them. */
const STATUS_FIELDS: Readonly<Record<keyof AgentStatus, true>> = {
  version: true,
  host: true,
  machine: true,
  pid: true,
  started: true,
  ready: true,
  docker: true,
  tree: true,
  problems: true,
  containers: true,
  services: true,
  frontends: true,
  routes: true,
};

let text: string;
beforeAll(async () => {
  const document = await readFile(join(projectRoot(), 'docs', 'metrics.md'), 'utf8');
  [, text = ''] = document.split('# Health of a Docker host\n');
});

/** Cells of the tables' rows whose first cell begins so. */
function rows(start: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`| ${start}`))
    .map((line) => line.split('|').slice(1, -1));
}

function quoted(cell = ''): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

/** Of an agent of which everything has happened once. */
async function scraped() {
  const agent = new AgentMetrics({ command: 'clusterf-docker', version: '1', status: () => STATUS });
  agent.event('container', 'start');
  agent.event('network', 'something else');
  return readExposition(await agent.text());
}

describe('docs/metrics.md, of the docker-agent', () => {
  test('has every metric of a scrape, and no other', async () => {
    const { types } = await scraped();
    const ours = [...types.keys()].filter((name) => !/^(process|nodejs)_/.test(name));
    const documented = rows('`clusterf_').flatMap(([first]) => quoted(first));
    expect(documented.toSorted()).toEqual(ours.toSorted());
  });

  test('has the labels of each, and every value that they can have', async () => {
    const { samples } = await scraped();
    for (const [metrics, labels, meaning] of rows('`clusterf_')) {
      const [metric = ''] = quoted(metrics);
      const found = samples.filter(({ name }) => name === metric || name === `${metric}_bucket`);
      const names = new Set(found.flatMap((sample) => Object.keys(sample.labels)).filter((name) => name !== 'le'));
      expect([metric, ...names]).toEqual([metric, ...quoted(labels)]);
      for (const name of ['outcome', 'kind', 'state', 'type'].filter((each) => names.has(each))) {
        const values = found.map((sample) => sample.labels[name]);
        expect(quoted(meaning)).toEqual(expect.arrayContaining(values));
      }
    }
  });

  test('has every field of /status', () => {
    const documented = new Set(rows('`').flatMap(([first]) => quoted(first)));
    for (const field of Object.keys(STATUS_FIELDS)) expect(documented).toContain(field);
    for (const field of ['docker', 'tree', 'frontends'] as const) {
      const [row] = rows('`').filter(([first]) => quoted(first).includes(field));
      expect(quoted(row?.[0])).toEqual(expect.arrayContaining(Object.keys(STATUS[field])));
    }
  });
});
