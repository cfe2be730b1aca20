import { expect, test } from '@jest/globals';
import { asData, asTable } from '../src/output.js';

test('columns of a table are aligned by what a terminal shows, without spaces at the end', () => {
  expect(
    asTable(
      ['NAME', 'PORT'],
      [
        ['web', '80'],
        ['🦊', '443'],
        ['café', ''],
      ],
    ),
  ).toBe(['NAME  PORT', 'web   80', '🦊    443', 'café', ''].join('\n'));
});

test('what moves the cursor, or turns the writing round, is shown and not done', () => {
  const table = asTable(['NAME'], [['a\nb\u001b[31m\u202ec']]);
  expect(table).toBe('NAME\na\\u000ab\\u001b[31m\\u202ec\n');
});

test('in YAML texts that look like something else are quoted', () => {
  expect(asData({ '12': 'true', b: '1e3', c: 'plain' }, 'yaml')).toBe('"12": "true"\nb: "1e3"\nc: plain\n');
});
