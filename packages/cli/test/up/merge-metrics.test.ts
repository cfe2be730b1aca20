import { expect, test } from '@jest/globals';
import { mergeMetrics } from '../../src/up/merge-metrics.js';

/** As agents have it: HELP and TYPE, then a line for each series. */
function metric(name: string, ...samples: readonly string[]): string {
  return `# HELP ${name} What it is.\n# TYPE ${name} gauge\n${samples.map((sample) => `${name}${sample}\n`).join('')}`;
}

function merge(few: readonly string[], many: readonly string[]): string {
  return [...mergeMetrics(few, many)].join('');
}

test('what only one of them has stays as it is', () => {
  const [docker, ipvs] = [metric('docker_up', ' 1'), metric('passes', '{reason="a b",x="} 3"} 4', '{reason="c"} 0')];
  expect(merge([docker], [ipvs])).toBe(ipvs + docker);
  expect(merge([], [ipvs])).toBe(ipvs);
  expect(merge([docker], [])).toBe(docker);
});

test('series of a metric that both have stand together, under one HELP and TYPE', () => {
  const few = metric('problems', '{source="docker"} 1', '{source="http"} 2');
  const many = metric('problems', '{source="kernel"} 3') + metric('last', ' 1');
  expect(merge([few], [many])).toBe(
    metric('problems', '{source="kernel"} 3', '{source="docker"} 1', '{source="http"} 2') + metric('last', ' 1'),
  );
});

test.each([
  ['0', '1', '0'],
  ['1', '0', '0'],
  ['1', '1', '1'],
  ['9.5e+6', '10', '10'],
])('of a series that both have, with %s and %s, the value is %s', (few, many, value) => {
  expect(merge([metric('ready', ` ${few}`)], [metric('ready', ` ${many}`)])).toBe(metric('ready', ` ${value}`));
});

test('a metric that comes in pieces, and blank lines between metrics, make no difference', () => {
  const whole = metric('traffic', '{a="1"} 1', '{a="2"} 2');
  const pieces = whole.split(/(?<=\n)/);
  expect(merge([`${metric('x', ' 1')}\n`, metric('traffic', '{a="3"} 3')], [...pieces, '\n', metric('y', ' 1')])).toBe(
    metric('traffic', '{a="1"} 1', '{a="2"} 2', '{a="3"} 3') + metric('y', ' 1') + metric('x', ' 1'),
  );
});
