import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { array, assert, property, string } from 'fast-check';
import { type CommandSpec, defineCommand, manPage, manualPage, parseOptions, type Section } from '../src/index.js';

/** As man(1) shows it on a screen of 100 columns, a line each. @throws Error for anything that groff warns of */
function shown(page: string): readonly string[] {
  const args = ['-man', '-ww', '-Tutf8', '-rLL=100n', '-P-c', '-P-b', '-P-u'];
  const { stdout, stderr, error } = spawnSync('groff', args, { input: page, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (stderr !== '') throw new Error(`${stderr}\n${page}`);
  return stdout.split('\n').map((line) => line.trim());
}

const command = defineCommand({
  command: 'clusterf test',
  summary: 'Tests what a page says. It is no command.\nNobody runs it.',
  version: '1.2.3',
  operands: 'CONTAINER…',
  options: {
    source: { type: 'list', group: 'Tree', describe: 'where it is; repeatable', defaultText: 'etcd:' },
    output: {
      type: 'choice',
      choices: ['json', 'table'],
      default: 'table',
      alias: 'o',
      group: 'Tree',
      describe: 'how',
    },
    wait: { type: 'duration', default: '10s', group: 'Running', describe: 'how long --dry-run takes' },
    'dry-run': { type: 'boolean', alias: ['noop', 'n'], group: 'Running', describe: 'do nothing (at all)' },
    count: { type: 'integer', min: 1, max: 9, group: 'Running', describe: 'how many' },
  },
});

const manualOf = (spec: CommandSpec) =>
  manPage(spec, { section: 8, date: '2026-01-31', seeAlso: ['clusterf(1)', 'ipvsadm(8)'] });

describe('the page of a command', () => {
  test('has what --help has, under the same headings, in the same order', async () => {
    const help = await parseOptions(command, ['--help'], {});
    const text = help.kind === 'print' ? help.text : '';
    const words = [...text.matchAll(/^([A-Z]\w+)(?=:$)|(?<= )(--[\w-]+)(?=[, ])/gm)].map(([word]) => word);
    expect(words.length).toBeGreaterThan(12);
    const page = shown(manualOf(command)).join('\n');
    let rest = page.slice(page.indexOf('OPTIONS'));
    for (const word of words) {
      expect(rest).toContain(word);
      rest = rest.slice(rest.indexOf(word));
    }
  });

  test('says what each takes and what holds without it', () => {
    const lines = shown(manualOf(command));
    expect(lines).toEqual(
      expect.arrayContaining([
        '--source VALUE',
        'Default: etcd:',
        '--output, -o json|table',
        'Default: table',
        '--wait DURATION',
        'Default: 10s',
        '--dry-run, --noop, -n',
        'Do nothing (at all).',
        '--count NUMBER',
      ]),
    );
  });

  test('is found by its summary’s first sentence, names its version and other pages', () => {
    const lines = shown(manualOf(command));
    expect(lines).toContain('clusterf-test - Tests what a page says');
    expect(lines).toContain('clusterf test [options] CONTAINER…');
    expect(lines).toContain('Nobody runs it.');
    expect(lines).toContain('clusterf(1), ipvsadm(8)');
    expect(lines.at(-2)).toMatch(/^clusterf 1\.2\.3 +2026-01-31 +CLUSTERF-TEST\(8\)$/);
  });
});

const withSections = (sections: readonly Section[]) =>
  manualPage({ name: 'x', section: 1, date: '2026-01-31', source: 'x 1', whatis: 'x', sections });

describe('a page', () => {
  test('shows texts as they are written, whatever they mean to groff', () => {
    const texts = [
      '.TH no request',
      "'nor this",
      'C:\\new\\fBwords\\n',
      '"quoted"',
      '--brake-hold',
      'ä ’ → 𝄞',
      '%$#@{}[]',
    ];
    const literal = ['  indented', '', '.SH "not a heading"'].join('\n');
    const lines = shown(
      withSections([
        { title: '.odd "title"', blocks: [...texts.map((text) => ({ text })), { literal }] },
        { title: 'TERMS', blocks: texts.map((term) => ({ term, placeholder: 'a "b" c', text: 'means' })) },
      ]),
    );
    expect(lines).toEqual(expect.arrayContaining([...texts, 'indented', '.SH "not a heading"', '.odd "title"']));
    for (const text of texts) expect(lines).toContain(`${text} a "b" c`);
  });

  test('keeps lines lines, and paragraphs apart', () => {
    const lines = shown(withSections([{ title: 'TEXT', blocks: [{ text: 'one\ntwo\n\nthree' }] }]));
    expect(lines.slice(lines.indexOf('one'), lines.indexOf('three') + 1)).toEqual(['one', 'two', '', 'three']);
  });

  test('is without a warning, whatever is in it', () => {
    const anything = string({ unit: 'grapheme' });
    assert(
      property(array(anything, { maxLength: 5 }), anything, (texts, title) => {
        const blocks = texts.flatMap((text) => [{ text }, { literal: text }, { term: text, text }, { heading: text }]);
        expect(() => shown(withSections([{ title, blocks }]))).not.toThrow();
      }),
      { numRuns: 50 },
    );
  });
});
