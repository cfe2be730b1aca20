import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { projectRoot } from '../lab/index.js';
import { VIRTUAL } from './addresses.js';
import { CONTROL, edge, ROUTER, singleTier, twoTiers } from './description.js';
import { birdDefinitions, insideLines, placeLines, portName } from './wiring.js';

const cluster = twoTiers({ edges: 1, hosts: 1, containers: 1, method: 'tunnel' });

describe('docs/two-tier.md', () => {
  const path = join(projectRoot(), 'docs', 'two-tier.md');

  test('shows what BIRD on the lab’s router is told', async () => {
    expect(await readFile(path, 'utf8')).toContain(
      `\`\`\`\n${birdDefinitions(cluster, cluster.router ?? ROUTER, VIRTUAL)}\`\`\`\n`,
    );
  });

  test('leads to files that are there', async () => {
    const links = [...(await readFile(path, 'utf8')).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(5);
    await Promise.all(links.map(async (link) => await access(join(dirname(path), link))));
  });
});

/** Of the lines of `ip -batch`, those that make routes. */
function routes(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith('route'));
}

test('a place is plugged into each of its networks, under a name that tells which', () => {
  expect(placeLines(cluster, 'edge1', edge(11))).toEqual([
    'netns add edge1',
    'link add edge1-fabric mtu 1500 type veth peer name fabric mtu 1500 netns edge1',
    'link set edge1-fabric master fabric up',
    'link add edge1-control mtu 1500 type veth peer name control mtu 1500 netns edge1',
    'link set edge1-control master control up',
  ]);
});

test('a name too long for the kernel is refused, with the name', () => {
  expect(() => portName('a-long-name', CONTROL)).toThrow('a-long-name-control: an interface');
});

test('the way out is the router, never over the control network, unless a machine is named', () => {
  expect(routes(insideLines(cluster, { number: 22, networks: ['far', CONTROL] }))).toEqual([
    'route add default via 10.3.0.1',
    'route add ::/0 via fd00:3::1',
  ]);
  expect(routes(insideLines(cluster, { number: 31, networks: [CONTROL] }))).toEqual([]);
  const single = singleTier();
  expect(routes(insideLines(single, { number: 21, networks: ['fabric'], gateway: 'edge1' }))).toEqual([
    'route add default via 10.2.0.11',
    'route add ::/0 via fd00:2::11',
  ]);
});
