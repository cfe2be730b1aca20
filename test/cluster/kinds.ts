import { allInOne, type ClusterDescription, singleTier, twoTiers } from './description.js';

/** What up.ts says when all is there. */
export const READY = 'ready';

/** The clusters of `npm run cluster`: how they are described, and which machines announce their service. */
export const KINDS = {
  droute: {
    describe: () => twoTiers({ edges: 2, hosts: 2, containers: 2, method: 'droute' }),
    balancers: ['edge1', 'edge2'],
  },
  tunnel: {
    describe: () => twoTiers({ edges: 2, hosts: 2, containers: 2, method: 'tunnel' }),
    balancers: ['edge1', 'edge2'],
  },
  single: { describe: singleTier, balancers: ['edge1'] },
  all: { describe: allInOne, balancers: ['all1'] },
} as const satisfies Readonly<Record<string, { describe: () => ClusterDescription; balancers: readonly string[] }>>;

export type Kind = keyof typeof KINDS;

export function isKind(word: string): word is Kind {
  return Object.hasOwn(KINDS, word);
}
