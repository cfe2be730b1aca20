import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../lab/index.js';
import { VIRTUAL } from './addresses.js';
import { ROUTER, twoTiers } from './description.js';
import { birdDefinitions } from './wiring.js';

const FOLDERS = ['agent', 'bird', 'sysctl', 'tunnel'];
/** The one of a single tier. */
const ELSEWHERE = 'agent/standalone.json';

async function readDocument(): Promise<string> {
  return await readFile(join(projectRoot(), 'docs', 'deploy-two-tier.md'), 'utf8');
}

test('docs/deploy-two-tier.md has every file that the lab’s machines are set up with, word for word', async () => {
  const shown = (await readDocument()).matchAll(/\[test\/cluster\/(\S+)\]\(\S+\):\n\n```\w*\n([\s\S]*?)^```$/gm);
  const texts = new Map([...shown].map(([, path = '', text]) => [path, text]));
  const folder = join(projectRoot(), 'test', 'cluster');
  const files = await Promise.all(
    FOLDERS.map(async (name) => (await readdir(join(folder, name))).map((file) => `${name}/${file}`)),
  );
  const expected = files.flat().filter((path) => path !== ELSEWHERE);
  const contents = expected.map(async (path) => [path, await readFile(join(folder, path), 'utf8')] as const);
  expect(Object.fromEntries(texts)).toEqual(Object.fromEntries(await Promise.all(contents)));
});

test('docs/deploy-two-tier.md tells BIRD what the lab tells it', async () => {
  const cluster = twoTiers({ edges: 1, hosts: 1, containers: 1, method: 'tunnel' });
  const edge = cluster.machines['edge1'] ?? ROUTER;
  const text = await readDocument();
  for (const place of [cluster.router ?? ROUTER, edge])
    expect(text).toContain(`\`\`\`\n${birdDefinitions(cluster, place, VIRTUAL)}\`\`\`\n`);
});
