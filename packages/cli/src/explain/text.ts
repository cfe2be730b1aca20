/** The tree's side of an explanation, for a person to read; the container's own is packages/docker-agent's. */
import type { BackendPlace, PlacedDestination } from '@clusterf/ipvs-agent';
import { alignedLines, onOneLine } from '../output.js';
import type { TreeSide } from './tree-side.js';

/**
 *     web: registered as it should be; its lease has 8 s left
 *       tcp 10.107.107.107:80  -> 172.17.0.2:8080  masq  weight 10  no route leads there: the balancer's own method
 *       udp 10.107.107.107:53  left out: it has no udp port
 *
 * @param wanted how it should be registered: undefined = not at all, absent = nobody has said
 */
export function treeSideText(side: TreeSide, wanted?: { readonly value: string | undefined }): string {
  const { service, found, host, hostIsThere, hasFrontend, ofUp, plan } = side;
  const { places = [], drains = [], problems = [] } = plan ?? {};
  const isAsWanted = wanted === undefined || found === wanted.value;
  const agent = ofUp ? 'clusterf up' : host === undefined ? 'its docker-agent' : `the docker-agent of ${host}`;
  const isAway = host !== undefined && !hostIsThere;
  const lines = [
    ...(found !== undefined && found !== wanted?.value ? [found] : []),
    ...(isAsWanted || isAway ? [] : [`${agent} runs with other options than are given here, or is a moment behind`]),
    ...(isAsWanted || isAway || ofUp || found !== undefined
      ? []
      : ['or etcd refuses it: the log of the docker-agent and its /status say so']),
    ...(isAway ? [`${agent} is not in the tree: look whether it runs`] : []),
    ...(found === undefined || hasFrontend ? [] : [`service ${service} has no frontend: it is not published`]),
    ...(drains.length === 0
      ? []
      : [`drained (${drains.join(', ')}): it takes no new connections until it is undrained`]),
    ...placeLines(places),
    ...problems.map(({ key, message }) => `! ${key}: ${message}`),
  ];
  return [`${service}: ${verdict(side, wanted)}`, ...lines.map((line) => `  ${line}`)]
    .map((line) => `${onOneLine(line)}\n`)
    .join('');
}

function verdict(side: TreeSide, wanted: { readonly value: string | undefined } | undefined): string {
  const { found } = side;
  if (found === undefined) {
    if (wanted === undefined) return 'not registered';
    return wanted.value === undefined ? 'not registered, and it should not be' : 'not registered, and it should be';
  }
  if (wanted === undefined) return `registered${lasting(side)}`;
  if (found === wanted.value) return `registered as it should be${lasting(side)}`;
  return `registered, and it should ${wanted.value === undefined ? 'not be' : 'be otherwise'}${lasting(side)}`;
}

function lasting({ leaseLeft, ofUp }: TreeSide): string {
  if (ofUp) return '';
  return leaseLeft === undefined ? '; it is on no lease' : `; its lease has ${Math.max(0, leaseLeft)} s left`;
}

function placeLines(places: readonly BackendPlace[]): readonly string[] {
  const ways = alignedLines(places.flatMap(({ destination }) => (destination === undefined ? [] : [way(destination)])));
  const rest = ways.values();
  return alignedLines(
    places.map(({ virtualService, destination, refusal }) => [
      virtualService,
      destination === undefined ? `left out: ${refusal}` : String(rest.next().value),
    ]),
  );
}

function way(destination: PlacedDestination): readonly string[] {
  const { at, method, weight, sharedWith, sharedWeight } = destination;
  const together = sharedWith.length === 0 ? '' : `, ${sharedWeight} together with ${sharedWith.join(', ')}`;
  return [`-> ${at}`, method, `weight ${weight}${together}`, why(destination)];
}

function why({ route, methodFrom }: PlacedDestination): string {
  if (route !== undefined) return `by route ${route}`;
  return `no route leads there: ${methodFrom === 'frontend' ? "the frontend's method" : "the balancer's own method"}`;
}
