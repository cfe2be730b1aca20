import { expect, test } from '@jest/globals';
import { operandCandidates, optionCandidates, placeOf, valueCandidates } from '../../src/completion/candidates.js';
import { nameCandidates, pathCandidates } from '../../src/completion/tree-paths.js';

const SPEC = {
  command: 'clusterf test',
  summary: 'Tests.',
  version: '1',
  operands: 'on|off',
  options: {
    output: { type: 'choice', choices: ['table', 'json'], alias: 'o', group: 'g', describe: 'how' },
    file: { type: 'list', group: 'g', describe: 'which' },
    force: { type: 'boolean', group: 'g', describe: 'whether' },
  },
} as const;
const { output } = SPEC.options;

test.each([
  ['a new word', [''], { kind: 'operand', written: '', before: [] }],
  ['a dash', ['--o'], { kind: 'option' }],
  ['what follows an option', ['--output', 'j'], { kind: 'value', option: output, written: 'j', before: '' }],
  ['what follows its short name', ['-o', ''], { kind: 'value', option: output, written: '', before: '' }],
  ['a value in one word', ['--output=j'], { kind: 'value', option: output, written: 'j', before: '--output=' }],
  [
    'a value in one word as bash splits it',
    ['--output', '=', 'j'],
    { kind: 'value', option: output, written: 'j', before: '' },
  ],
  ['one not begun as bash splits it', ['--output', '='], { kind: 'value', option: output, written: '', before: '' }],
  ['what follows a switch', ['--force', 'o'], { kind: 'operand', written: 'o', before: [] }],
  ['what follows two dashes', ['--', '--o'], { kind: 'operand', written: '--o', before: [] }],
  [
    'an operand after others',
    ['host', '-o', 'json', '--force', 'x', 'y'],
    { kind: 'operand', written: 'y', before: ['host', 'x'] },
  ],
  ['an operand behind two dashes', ['a', '--', '-b', ''], { kind: 'operand', written: '', before: ['a', '-b'] }],
  ['an option after an operand', ['x', '-'], { kind: 'option' }],
])('%s is in its place', (_, words, place) => {
  expect(placeOf(SPEC, words)).toEqual(place);
});

test('options are offered by all their names, those of all commands too', () => {
  const words = optionCandidates(SPEC).map(({ word }) => word);
  expect(words).toEqual(
    expect.arrayContaining(['--output', '-o', '--file', '--force', '--log-level', '--config', '--help']),
  );
});

test('values and operands are offered where they are known', () => {
  expect(valueCandidates(output)).toEqual([{ word: 'table' }, { word: 'json' }]);
  expect(valueCandidates(SPEC.options.file)).toEqual([]);
  expect(operandCandidates(SPEC)).toEqual([{ word: 'on' }, { word: 'off' }]);
  const words = (operands: string) => operandCandidates({ ...SPEC, operands }).map(({ word }) => word);
  expect(words('[[host|backend|balancer] NAME]')).toEqual(['host', 'backend', 'balancer']);
  expect(words('ipvsadm|etcd2 FILE|-')).toEqual(['ipvsadm', 'etcd2']);
  expect(words('[PATH]')).toEqual([]);
  expect(words('PATH VALUE|-|FIELD=VALUE…')).toEqual([]);
});

test.each([
  ['', ['routes/', 'services/', 'sync']],
  ['s', ['services/', 'sync']],
  ['services/', ['services/a b/', 'services/web/']],
  ['/services/w', ['services/web/']],
  ['services/web/b', ['services/web/backends/']],
  ['services/web/backends/x', ['services/web/backends/x1', 'services/web/backends/x2']],
  ['nothing', []],
])('a path goes on from %j a part at a time', (written, words) => {
  const paths = [
    'routes/lan',
    'services/a b/frontend',
    'services/web/frontend',
    'services/web/backends/x1',
    'services/web/backends/x2',
    'sync',
  ];
  expect(pathCandidates(paths, written).map(({ word }) => word)).toEqual(words);
});

test.each([
  ['host', ['docker1', 'docker2']],
  ['balancer', ['edge1']],
  ['backend', ['my shop/one', 'web/one']],
] as const)('each %s that the tree knows is offered once', (kind, words) => {
  const paths = [
    'hosts/docker2/status',
    'hosts/docker1/status',
    'balancers/edge1/status',
    'balancers/edge1/sync',
    'services/web/backends/one',
    'services/web/frontend',
    'services/my shop/backends/one',
    'drain/hosts/docker1',
  ];
  expect(nameCandidates(paths, kind).map(({ word }) => word)).toEqual(words);
});
