/** What docs/monitoring offers, in a real Prometheus that scrapes real agents. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { VIP } from '../e2e/network.js';
import { type Stack, startStack } from '../e2e/stack.js';
import { type PrometheusProcess, startPrometheus } from '../fixtures/prometheus.js';
import { until } from '../fixtures/until.js';
import { projectRoot } from '../lab/index.js';

const MONITORING = join(projectRoot(), 'docs', 'monitoring');
const ALERTS = join(MONITORING, 'alerts.yml');
/** Of machines of the lab nothing else listens there. */
const PORT = 19_090;

const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({ name: z.string(), query: z.string(), health: z.string(), lastError: z.string().optional() }),
      ),
    }),
  ),
});
const Metadata = z.array(z.object({ metric: z.string() }));
const Alerts = z.object({
  alerts: z.array(z.object({ labels: z.record(z.string(), z.string()), state: z.string() })),
});

let stack: Stack;
let prometheus: PrometheusProcess;

beforeAll(async () => {
  stack = await startStack();
  await stack.etcd.put('/clusterf/services/web/frontend', JSON.stringify({ ipv4: VIP, tcp: 80 }));
  stack.startDockerAgent();
  stack.startIpvsAgent();
  prometheus = await startPrometheus(join(MONITORING, 'prometheus.yml'), [ALERTS], PORT);
});
afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

async function rules() {
  return Rules.parse(await prometheus.ask('rules')).groups.flatMap((group) => group.rules);
}

/** Names of metrics that are ours, or of our processes. */
function metricsIn(text: string): readonly string[] {
  return [...text.matchAll(/\b(?:clusterf|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name);
}

test('every rule is taken and can be evaluated', async () => {
  const evaluated = await until('all have been', async () => {
    const all = await rules();
    return all.length > 0 && all.every(({ health }) => health !== 'unknown') ? all : undefined;
  });
  expect(evaluated.filter(({ health }) => health !== 'ok')).toEqual([]);
  expect(evaluated.length).toBe((await readFile(ALERTS, 'utf8')).match(/- alert:/g)?.length);
});

test('every metric that a rule or the dashboard names is one of the agents’', async () => {
  const dashboard: unknown = JSON.parse(await readFile(join(MONITORING, 'dashboard.json'), 'utf8'));
  const asked = metricsIn(JSON.stringify([dashboard, (await rules()).map(({ query }) => query)]));
  expect(asked.length).toBeGreaterThan(50);
  await until(
    'both agents have been scraped',
    async () => {
      const up = z.object({ result: z.array(z.unknown()) }).parse(await prometheus.ask('query?query=up==1'));
      return up.result.length === 2;
    },
    60_000,
  );
  const metadata = Metadata.parse(await prometheus.ask('targets/metadata'));
  const known = new Set(metadata.map(({ metric }) => metric));
  const unknown = asked.filter((name) => !known.has(name.replace(/_bucket$/, '')));
  expect([...new Set(unknown)]).toEqual([]);
});

test('an etcd that is away is an alert in waiting at once', async () => {
  await stack.etcd.stop();
  const alerts = await until('it waits', async () => {
    const all = Alerts.parse(await prometheus.ask('alerts')).alerts;
    return all.some(({ labels }) => labels['alertname'] === 'ClusterfSourceDown') ? all : undefined;
  });
  expect(alerts.find(({ labels }) => labels['alertname'] === 'ClusterfSourceDown')).toMatchObject({
    state: 'pending',
    labels: { severity: 'page', instance: '127.0.0.1:9780' },
  });
});
