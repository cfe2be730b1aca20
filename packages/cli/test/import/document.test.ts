import { expect, test } from '@jest/globals';
import { jsonDocument, yamlDocument } from '../../src/import/document.js';
import { printRemarks, type Remark } from '../../src/import/remarks.js';

const ENTRIES = new Map([
  ['services/tcp-10.0.0.1-80/frontend', '{"ipv4":"10.0.0.1","tcp":80}'],
  ['services/tcp-2001:db8::1-80/frontend', '{"ipv6":"2001:db8::1","schedulerFlags":[]}'],
]);

test('a document has an entry a line, names that YAML could misread in quotes', () => {
  expect(yamlDocument(ENTRIES, 'made')).toBe(
    [
      '# made',
      'services/tcp-10.0.0.1-80/frontend: { "ipv4": "10.0.0.1", "tcp": 80 }',
      '"services/tcp-2001:db8::1-80/frontend": { "ipv6": "2001:db8::1", "schedulerFlags": [] }',
      '',
    ].join('\n'),
  );
});

test('as JSON it is one object of paths and values', () => {
  expect(JSON.parse(jsonDocument(ENTRIES))).toEqual({
    'services/tcp-10.0.0.1-80/frontend': { ipv4: '10.0.0.1', tcp: 80 },
    'services/tcp-2001:db8::1-80/frontend': { ipv6: '2001:db8::1', schedulerFlags: [] },
  });
});

function remark(kind: Remark['kind'], at: string): Remark {
  return { kind, at, what: 'X', why: `because ${kind}` };
}

test('remarks of one kind with one reason are one line, what is lost first', () => {
  const lines = ['1', '2', '2', '3', '4', '5', '6', '7'].map((line) => remark('left', `a.conf:${line}`));
  expect(printRemarks([...lines, { ...remark('left', 'b.conf:1'), what: 'Y' }, remark('lost', '/a/key')])).toBe(
    'LEFT OUT:\n  X (/a/key): because lost\n' +
      'not carried over:\n  X, Y (a.conf:1, 2, 3, 4, 5 and 3 more): because left\n',
  );
  expect(printRemarks([])).toBe('');
});
