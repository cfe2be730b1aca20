import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { array, assert, property, string } from 'fast-check';
import { LastLines } from './lastLines.js';
import { quote } from './quote.js';
import { requireMachine } from './requireMachine.js';

describe('quote', () => {
  test('leaves plain words alone', () => {
    expect(['ip', '--flag=1', '10.0.0.1:80', 'a/b'].map(quote)).toEqual(['ip', '--flag=1', '10.0.0.1:80', 'a/b']);
  });

  test('is undone by the shell, whatever the words', () => {
    const word = string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
    assert(
      property(array(word), (words) => {
        const echoed = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${['x', ...words].map(quote).join(' ')}`]);
        expect(echoed.toString()).toBe(`${['x', ...words].join('\0')}\0`);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the last lines', () => {
  test('are the last ones, however the text was cut', () => {
    const lines = new LastLines(2);
    for (const text of ['on', 'e\ntwo\n', '', 'th', 'ree\nfour']) lines.add(text);
    expect(lines.indented()).toBe('  three\n  four');
  });

  test('of nothing are none', () => {
    expect(new LastLines(2).indented()).toBe('(none)');
  });
});

test('what needs a machine refuses to run outside of one, even where the variable is set', () => {
  expect(requireMachine).toThrow('only inside a lab machine');
  const before = process.env['CLUSTERF_LAB_MACHINE'];
  process.env['CLUSTERF_LAB_MACHINE'] = 'made-up';
  try {
    expect(requireMachine).toThrow('only inside a lab machine');
  } finally {
    if (before === undefined) delete process.env['CLUSTERF_LAB_MACHINE'];
    else process.env['CLUSTERF_LAB_MACHINE'] = before;
  }
});
