/** A cluster as its description has it: who sends packets to whom, and who says so. Pure. */
import type { ClusterDescription, MachineDescription } from '../../cluster/description.js';
import { escape, svg } from './svg.js';

export interface Topology {
  readonly title: string;
  /** What remakes it. */
  readonly command: string;
  readonly cluster: ClusterDescription;
  /** The virtual address all of it is about. */
  readonly virtualAddress: string;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const [CLIENTS_X, ROUTER_X, EDGES_X, HOSTS_X] = [20, 150, 330, 550];
const TOP = 100;
const BOX = { width: 110, height: 54 };
const HOST_WIDTH = 190;
const CONTAINER = { width: 82, height: 22 };
const GAP = 24;

/** Clients, router, edge balancers and hosts from left to right, each column in the middle; etcd below. */
export function topology({ title, command, cluster, virtualAddress }: Topology): string {
  const machines = Object.entries(cluster.machines);
  const edges = machines.filter(([, { balancer }]) => balancer?.kind === 'edge');
  const hosts = machines.filter(([, { containers }]) => containers !== undefined);
  const heights = hosts.map(([, host]) => hostHeight(host));
  const height = heights.reduce((sum, each) => sum + each + GAP, -GAP);
  const hostBoxes = heights.map((each, index): Box => {
    const above = heights.slice(0, index).reduce((sum, other) => sum + other + GAP, 0);
    return { x: HOSTS_X, y: TOP + above, width: HOST_WIDTH, height: each };
  });
  const edgeBoxes = column(EDGES_X, edges.length, height);
  const [router, client] = [column(ROUTER_X, 1, height), column(CLIENTS_X, 1, height)];
  const [routerBox, clientBox] = [router[0] ?? NOWHERE, client[0] ?? NOWHERE];
  const etcdBox: Box = { x: EDGES_X, y: TOP + height + 46, ...BOX };
  const end = etcdBox.y + BOX.height;

  const ways = [
    way('way', right(clientBox), left(routerBox)),
    ...edgeBoxes.map((each) => way('way', right(routerBox), left(each))),
    ...edgeBoxes.flatMap((edge) =>
      hostBoxes.map((each, index) =>
        way(hosts[index]?.[1].containers?.route?.method === 'tunnel' ? 'way tunnel' : 'way', right(edge), left(each)),
      ),
    ),
    ...edgeBoxes.slice(-1).map((each) => way('way control', top(etcdBox), bottom(each))),
    ...hostBoxes.slice(-1).map((each) => way('way control', right(etcdBox), bottom(each))),
    `<path class="way answer" marker-end="url(#answer)" d="M ${HOSTS_X + HOST_WIDTH / 2} ${TOP} V ${TOP - 34} H ${middleOf(clientBox)[0]} V ${clientBox.y}"/>`,
    `<text class="note" x="${EDGES_X}" y="${TOP - 42}">answers from ${escape(virtualAddress)}, past the balancers</text>`,
  ];
  const boxes = [
    box('plain', clientBox, 'client', ''),
    box('plain', routerBox, 'router', 'ECMP, BGP + BFD'),
    ...edges.map(([name], index) => box('place', edgeBoxes[index] ?? NOWHERE, name, 'IPVS, BIRD')),
    ...hosts.flatMap(([name, host], index) => hostWithContainers(name, host, hostBoxes[index] ?? NOWHERE)),
    box('plain', etcdBox, `etcd × ${cluster.etcd.members}`, 'the tree'),
    `<text class="note" x="${right(etcdBox)[0] + 12}" y="${end - 8}">docker-agents write it, ipvs-agents follow it</text>`,
  ];
  const note = `solid: direct routing · dashed: tunnel · dotted: control · ${command}`;
  return svg({ title, height: end + 40, body: [ARROWS, ...ways, ...boxes], note });
}

const NOWHERE: Box = { x: 0, y: 0, width: 0, height: 0 };

const ARROWS = `<defs>${[
  ['way', 'spread'],
  ['answer', 'answer'],
]
  .map(
    ([id, kind]) =>
      `<marker id="${id}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="way ${kind}" d="M 0 0 L 8 4 L 0 8"/></marker>`,
  )
  .join('')}</defs>`;

function containersOf({ containers }: MachineDescription): readonly string[] {
  return Object.keys(containers?.services ?? {});
}

function hostHeight(host: MachineDescription): number {
  return BOX.height + Math.ceil(containersOf(host).length / 2) * (CONTAINER.height + 8);
}

/** So many boxes, one below the other, in the middle of so many pixels. */
function column(x: number, count: number, height: number): readonly Box[] {
  const all = count * (BOX.height + GAP) - GAP;
  const first = TOP + (height - all) / 2;
  return Array.from({ length: count }, (_, index) => ({ x, y: first + index * (BOX.height + GAP), ...BOX }));
}

function hostWithContainers(name: string, host: MachineDescription, place: Box): readonly string[] {
  const method = host.containers?.route?.method;
  const inside = containersOf(host).map((container, index) => {
    const x = place.x + 10 + (index % 2) * (CONTAINER.width + 8);
    const y = place.y + BOX.height - 4 + Math.floor(index / 2) * (CONTAINER.height + 8);
    return [
      `<rect class="container" x="${x}" y="${y}" width="${CONTAINER.width}" height="${CONTAINER.height}" rx="3"/>`,
      `<text class="note" x="${x + CONTAINER.width / 2}" y="${y + 15}" text-anchor="middle">${escape(container)}</text>`,
    ].join('\n');
  });
  const by = method === undefined ? '' : `reached by ${method}; `;
  return [box('place', place, name, `${by}IPVS masq`), ...inside];
}

function box(kind: string, { x, y, width, height }: Box, name: string, what: string): string {
  const centre = x + width / 2;
  return [
    `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}" rx="5"/>`,
    `<text x="${centre}" y="${y + 22}" text-anchor="middle">${escape(name)}</text>`,
    ...(what === ''
      ? []
      : [`<text class="note" x="${centre}" y="${y + 39}" text-anchor="middle">${escape(what)}</text>`]),
  ].join('\n');
}

type Point = readonly [x: number, y: number];

function way(kind: string, [x1, y1]: Point, [x2, y2]: Point): string {
  const arrow = kind.includes('control') ? '' : ' marker-end="url(#way)"';
  return `<line class="${kind}"${arrow} x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

function middleOf({ x, y, width, height }: Box): Point {
  return [x + width / 2, y + height / 2];
}

function left(each: Box): Point {
  return [each.x, middleOf(each)[1]];
}

function right(each: Box): Point {
  return [each.x + each.width, middleOf(each)[1]];
}

function top(each: Box): Point {
  return [middleOf(each)[0], each.y];
}

function bottom(each: Box): Point {
  return [middleOf(each)[0], each.y + each.height];
}
