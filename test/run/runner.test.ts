import { describe, expect, test } from '@jest/globals';
import { LAYERS, layerOf, STAGES } from './layers.js';
import { decodeReport, encodeReport, type TestReport } from './report.js';
import { parseRequest } from './request.js';
import { closingLine, count, type LayerResult, summarize } from './summary.js';

const report = (status: TestReport['status'], more: Partial<TestReport> = {}): TestReport => ({
  file: 'a.test.ts',
  title: 'works',
  status,
  milliseconds: 1500,
  message: '',
  ...more,
});

describe('layers', () => {
  test.each([
    ['packages/ipvs/test/codec.test.ts', 'unit'],
    ['packages/store/test/watch.etcd.test.ts', 'etcd'],
    ['test/e2e/path.e2e.test.ts', 'e2e'],
    ['packages/ipvs/test/two.words.kernel.test.ts', 'kernel'],
    ['packages/ipvs/test/two.words.test.ts', 'unit'],
    ['packages/ipvs/test/fixture.ts', undefined],
  ])('%s is of layer %s', (path, layer) => {
    expect(layerOf(path)).toBe(layer);
  });

  test('each has its place in the order, once', () => {
    expect(STAGES.flat(2).toSorted()).toEqual(Object.keys(LAYERS).toSorted());
  });
});

describe('what npm test is asked for', () => {
  test.each([
    [[], [], []],
    [['unit', 'etcd'], ['unit', 'etcd'], []],
    [['kernel', '-t', 'unit'], ['kernel'], ['-t', 'unit']],
    [['packages/ipvs'], [], ['packages/ipvs']],
  ])('%j', (words, layers, jestArguments) => {
    expect(parseRequest(words)).toEqual({ layers, jestArguments });
  });
});

describe('a report', () => {
  test('is one line, whatever it says', () => {
    const said = report('failed', { title: 'two\nlines', message: 'ä\n\u0000\n' });
    expect(encodeReport(said)).not.toContain('\n');
    expect(decodeReport(encodeReport(said))).toEqual(said);
  });

  test('is not seen in a line that is none, or is torn', () => {
    for (const line of ['', 'PASS', '@clusterf-test@ {}', encodeReport(report('passed')).slice(0, -1)]) {
      expect(decodeReport(line)).toBeUndefined();
    }
  });
});

describe('a summary', () => {
  const results: LayerResult[] = [
    { layer: 'unit', milliseconds: 900, tests: [report('passed'), report('passed')] },
    {
      layer: 'kernel',
      milliseconds: 65_000,
      tests: [report('failed', { title: 'balances', message: 'expected 1\ngot 2' }), report('skipped')],
      failure: 'jest ended with status 7',
    },
  ];

  test('counts a layer that failed as a whole as a failed test', () => {
    expect(count(results)).toEqual({ passed: 2, failed: 2, skipped: 1 });
  });

  test('shows each failure with its message, then a row for each layer', () => {
    expect(summarize(results)).toBe(
      [
        '',
        '✗ kernel: balances',
        '  a.test.ts',
        '    expected 1',
        '    got 2',
        '',
        '✗ kernel: the layer itself',
        '    jest ended with status 7',
        '',
        'layer      passed   failed  skipped     time',
        'unit            2        0        0    0.9 s',
        'kernel          0        2        1   65.0 s',
      ].join('\n'),
    );
  });

  test.each([
    [{ passed: 3, failed: 0, skipped: 0 }, '3 passed, 0 failed'],
    [{ passed: 3, failed: 1, skipped: 2 }, '3 passed, 1 failed, 2 skipped'],
  ])('closes with a line of counts', (counts, line) => {
    expect(closingLine(counts)).toBe(line);
  });
});
