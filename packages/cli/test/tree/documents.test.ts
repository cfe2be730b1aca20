import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { flatten } from '../../src/tree/flatten.js';
import { nest } from '../../src/tree/nest.js';
import { parseDocuments } from '../../src/tree/parse-documents.js';
import { asData } from '../../src/output.js';

const FRONTEND = '{"ipv4":"10.0.0.1","tcp":80}';

/** Each line has nine times what the one before has. */
const BILLIONS = ['a: &a [x]']
  .concat(
    'bcdefghij'.split('').map((name, index) => `${name}: &${name} [${`*${'abcdefghi'.charAt(index)}, `.repeat(9)}x]`),
  )
  .join('\n');

/** What one document of YAML or JSON comes to. */
function read(text: string) {
  const parsed = parseDocuments(text);
  if (!parsed.ok) throw new Error(parsed.message);
  expect(parsed.documents).toHaveLength(1);
  const { entries, misplaced } = flatten(parsed.documents[0]);
  return { entries: Object.fromEntries(entries), misplaced };
}

test.each([
  ['nested YAML', 'services:\n  web:\n    frontend: {ipv4: 10.0.0.1, tcp: 80}\n'],
  ['JSON', '{"services": {"web": {"frontend": {"ipv4": "10.0.0.1", "tcp": 80}}}}'],
  ['JSON indented by tabs', '{\n\t"services": {\n\t\t"web": {"frontend": {"ipv4": "10.0.0.1", "tcp": 80}}}}'],
  ['whole paths', '/services/web/frontend: {ipv4: 10.0.0.1, tcp: 80}'],
  ['paths in parts', 'services/web/:\n  frontend:\n    ipv4: 10.0.0.1\n    tcp: 80'],
  ['an anchor used again', 'x: &x\nservices:\n  web:\n    frontend: &f {ipv4: 10.0.0.1, tcp: 80}\n'],
  [
    'YAML behind a byte order mark, with carriage returns',
    '\uFEFFservices:\r\n  web:\r\n    frontend: {ipv4: 10.0.0.1, tcp: 80}\r\n',
  ],
])('%s is an entry', (_, text) => {
  expect(read(text)).toEqual({ entries: { 'services/web/frontend': FRONTEND }, misplaced: [] });
});

test('a file may hold several documents, and empty ones', () => {
  const parsed = parseDocuments('---\nroutes: {a: {}}\n---\n# nothing\n---\nroutes: {b: {}}\n');
  expect(parsed).toEqual({ ok: true, documents: [{ routes: { a: {} } }, { routes: { b: {} } }] });
  expect(parseDocuments('')).toEqual({ ok: true, documents: [] });
});

test('names are the text they are, though it looks like a number', () => {
  const text = 'services: {1e3: {backends: {00123: {}, 0x10: {}, true: {}, 139344551234567890123456: {}}}}';
  expect(Object.keys(read(text).entries)).toEqual(
    ['00123', '0x10', 'true', '139344551234567890123456'].map((name) => `services/1e3/backends/${name}`),
  );
});

test('values that take their defaults may be left empty', () => {
  expect(read('services: {web: {frontend: }}\nroutes:\nsync: {}\n').entries).toEqual({
    'services/web/frontend': 'null',
    sync: '{}',
  });
});

test.each([
  ['a list', '[1, 2]', '', 'the document is a list; expected a mapping with services, routes, sync, balancers, drain'],
  ['a text', 'hello', '', 'the document is "hello"; expected'],
  [
    'an entry given twice',
    '{services/web/frontend: {}, services: {web: {frontend: {}}}}',
    'services/web/frontend',
    'is given twice',
  ],
  ['a value that holds itself', 'routes: {lan: &r {Prefix: *r}}', 'routes/lan', 'holds itself'],
  [
    'a number that is none in JSON',
    'routes: {lan: {Priority: .inf}}',
    'routes/lan',
    'has a number that is none in JSON',
  ],
  ['mappings that hold themselves', 'services: &s {web: *s}', 'services/web/web/web/web/web', 'holds itself'],
])('%s is said to stand nowhere', (_, text, path, message) => {
  const { misplaced } = read(text);
  expect(misplaced).toEqual([{ path, message: expect.stringContaining(message) }]);
});

test.each([
  ['is no part of a path', '..: {frontend: {}}', 'services/..', 'would mean a directory'],
  ['is empty', '"": 1', 'services/', 'the name is empty'],
  ['moves cursors', '"a\\eb": {frontend: {}, backends: {x: {}}}', 'services/a\u001bb', 'contains a control character'],
])('a name that %s is told once, and all else is read', (_, written, path, message) => {
  const parsed = parseDocuments(`services:\n  ${written}\n  web: {frontend: {ipv4: 10.0.0.1, tcp: 80}}`);
  expect(flatten(parsed.ok ? parsed.documents[0] : parsed.message)).toMatchObject({
    entries: new Map([['services/web/frontend', FRONTEND]]),
    misplaced: [],
    badlyNamed: [{ path, message: expect.stringContaining(message) }],
  });
});

test('what is no entry is kept by its path, for who looks at entries to say so', () => {
  expect(read('services: {web: {front: {tcp: 80}, extra: 5}}\nfoo: 1').entries).toEqual({
    'services/web/front/tcp': '80',
    'services/web/extra': '5',
    foo: '1',
  });
});

test.each([
  ['a key given twice', 'a: 1\na: 2', /unique.*line 2/],
  ['an open bracket', 'a: [1', /line 1/],
  ['a tab', 'a:\n\tb: 1', /[Tt]ab.*line 2/],
  ['aliases by the million', BILLIONS, /[Aa]lias/],
  ['brackets without end', '['.repeat(100_000), /nested too deeply/],
])('%s cannot be read, in one line that says where', (_, text, message) => {
  const parsed = parseDocuments(text);
  expect(parsed.ok).toBe(false);
  expect(parsed).toEqual({ ok: false, message: expect.stringMatching(message) });
  expect(parsed).toEqual({ ok: false, message: expect.not.stringContaining('\n') });
});

const name = fc.oneof(
  fc.constantFrom(
    'web',
    '__proto__',
    'constructor',
    '12',
    '1e3',
    'true',
    'null',
    '~',
    '🦊 fox',
    'a: b',
    '- c',
    '#',
    'é',
  ),
  fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/[/\p{C}]|^\.\.?$|^\s|\s$/u.test(text)),
);
const value = fc.record(
  { ipv4: fc.ipV4(), tcp: fc.nat(), note: fc.string({ unit: 'grapheme' }), list: fc.array(fc.boolean()) },
  { requiredKeys: [] },
);
const path = fc.oneof(
  fc.tuple(name).map(([service]) => `services/${service}/frontend`),
  fc.tuple(name, name).map(([service, backend]) => `services/${service}/backends/${backend}`),
  fc.tuple(name).map(([route]) => `routes/${route}`),
  fc.constant('sync'),
);
const trees = fc
  .dictionary(path, value)
  .map((tree) => Object.entries(tree).map(([at, each]) => [at, JSON.stringify(each)] as const));

test.each(['json', 'yaml'] as const)('a tree printed as %s is read back the same', (format) => {
  fc.assert(
    fc.property(trees, (entries) => {
      const text = asData(nest(entries), format);
      expect(new Map(Object.entries(read(text).entries))).toEqual(new Map(entries));
    }),
  );
});

test.each(['json', 'yaml'] as const)(
  'a value that nests without end is text in a tree printed as %s, beside all others',
  (format) => {
    const [open, close] = ['['.repeat(50_000), ']'.repeat(50_000)];
    const deep = [
      ['services/web/backends/deep', `${open}${close}`],
      ['services/web/backends/inside', `{"ipv4":${open}${close}}`],
    ] as const;
    const text = asData(nest([...deep, ['services/web/frontend', FRONTEND]]), format);
    const expected = deep.map(([at, each]) => [at, JSON.stringify(each)]);
    expect(read(text).entries).toEqual({ 'services/web/frontend': FRONTEND, ...Object.fromEntries(expected) });
  },
);

test('keys that are in the way of each other are both printed', () => {
  expect(
    nest([
      ['services/web', FRONTEND],
      ['services/web/frontend', FRONTEND],
    ]),
  ).toEqual({
    services: { web: { ipv4: '10.0.0.1', tcp: 80 } },
    'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
  });
  expect(
    nest([
      ['services/web/frontend', FRONTEND],
      ['services/web', FRONTEND],
    ]),
  ).toEqual({
    services: { web: { frontend: { ipv4: '10.0.0.1', tcp: 80 } } },
    'services/web': { ipv4: '10.0.0.1', tcp: 80 },
  });
});
