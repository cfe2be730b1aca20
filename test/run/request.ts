import { isLayer, type Layer } from './layers.js';

/** What `npm test -- …` asks for. */
export interface Request {
  /** In the order given; empty: all. */
  readonly layers: readonly Layer[];
  /** Handed to jest: file patterns, `-t title`. */
  readonly jestArguments: readonly string[];
}

/** Layers first, then whatever jest takes. */
export function parseRequest(words: readonly string[]): Request {
  const end = words.findIndex((word) => !isLayer(word));
  const layers = end === -1 ? words : words.slice(0, end);
  return { layers: layers.filter(isLayer), jestArguments: end === -1 ? [] : words.slice(end) };
}
