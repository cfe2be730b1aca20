import { projectRoot } from '../lab/index.js';
import { LAYERS, STAGES, testFiles } from './layers.js';
import { parseRequest } from './request.js';
import { runLayer } from './runLayer.js';
import { closingLine, count, type LayerResult, summarize } from './summary.js';

/**
 * `npm test [-- LAYER... JEST-ARGUMENT...]`: runs the layers that have files, each where it belongs, and sums them up.
 * The last line is always `N passed, N failed`; the exit status is 0 only when something passed and nothing failed.
 */
async function main(words: readonly string[]): Promise<number> {
  const { layers, jestArguments } = parseRequest(words);
  const files = testFiles(projectRoot());
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)));
  }
  const options = {
    jestArguments,
    strict: process.env['CI'] === 'true',
    signal: interrupt.signal,
    print: (line: string) => void process.stdout.write(`${line}\n`),
  };
  const results: LayerResult[] = [];
  for (const tracks of STAGES) {
    const running = tracks.map(async (track) => {
      for (const layer of track) {
        const isWanted = layers.length === 0 || layers.includes(layer);
        if (isWanted && (files.get(layer)?.length ?? 0) > 0) results.push(await runLayer(layer, options));
      }
    });
    await Promise.all(running);
  }
  const counts = count(results);
  if (counts.passed + counts.failed === 0)
    options.print(`\nno test matches ${JSON.stringify(words)}; layers are ${Object.keys(LAYERS).join(', ')}`);
  process.stdout.write(`${summarize(results)}\n\n${closingLine(counts)}\n`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
