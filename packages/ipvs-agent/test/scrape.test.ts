import { describe, expect, test } from '@jest/globals';
import type { Problem } from '@clusterf/model';
import { ManualClock, settled } from '../../daemon/test/manual-clock.js';
import { AgentMetrics } from '../src/metrics.js';
import { Scraper, type ScrapeKernel } from '../src/scrape.js';
import { readExposition } from './exposition.js';
import { STATUS } from './status-fixture.js';

/** A kernel with an empty table that answers when it is told to, or refuses. */
class SlowKernel implements ScrapeKernel {
  reads = 0;
  closed = 0;
  failure: Error | undefined;
  answer = () => {};

  async services() {
    this.reads += 1;
    await new Promise<void>((resolve) => {
      this.answer = resolve;
    });
    if (this.failure) throw this.failure;
    return [];
  }

  async destinations() {
    return [];
  }

  close(): void {
    this.closed += 1;
  }
}

function scraping() {
  const kernel = new SlowKernel();
  const clock = new ManualClock();
  const seen = { problems: [] as readonly Problem[], opened: 0 };
  const scraper = new Scraper({
    metrics: new AgentMetrics({ command: 'clusterf-ipvs', version: '1', status: () => STATUS }),
    open: async () => {
      seen.opened += 1;
      return kernel;
    },
    names: () => new Map(),
    clock,
    onProblems: (problems) => {
      seen.problems = problems;
    },
  });
  /** One scrape of a kernel that answers at once. */
  const scrape = async () => {
    const text = scraper.scrape();
    await settled();
    kernel.answer();
    return readExposition([...(await text)].join(''));
  };
  return { kernel, clock, seen, scraper, scrape };
}

describe('however many scrape', () => {
  test('at once, the kernel is read once', async () => {
    const { kernel, scraper, scrape } = scraping();
    const others = Promise.all([scraper.scrape(), scraper.scrape(), scraper.scrape()]);
    await scrape();
    await others;
    expect(kernel.reads).toBe(1);
  });

  test('one after the other, the kernel is read once a second, and nothing is kept for longer', async () => {
    const { kernel, clock, scrape } = scraping();
    await scrape();
    await clock.advance(999);
    await scrape();
    expect(kernel.reads).toBe(1);
    await clock.advance(1);
    expect(clock.timers).toBe(0);
    await scrape();
    expect(kernel.reads).toBe(2);
  });

  test('the agent is asked every time', async () => {
    const { scraper, scrape } = scraping();
    await scrape();
    expect([...(await scraper.scrape())].join('')).toContain('clusterf_ready 1\n');
  });
});

describe('a kernel that cannot be read', () => {
  test('costs its counters and nothing else, is a problem, and is opened anew', async () => {
    const { kernel, clock, seen, scrape } = scraping();
    kernel.failure = new Error('services: IPVS has been unloaded (ENOENT)');
    const without = await scrape();
    expect(without.value('clusterf_ipvs_counters_up')).toBe(0);
    expect(without.value('clusterf_ready')).toBe(1);
    expect(without.types.has('clusterf_ipvs_service_connections_total')).toBe(false);
    expect(seen.problems).toEqual([
      { source: 'kernel', key: '', message: 'the counters cannot be read: services: IPVS has been unloaded (ENOENT)' },
    ]);
    expect(kernel.closed).toBe(1);

    kernel.failure = undefined;
    await clock.advance(1_000);
    const again = await scrape();
    expect(again.value('clusterf_ipvs_counters_up')).toBe(1);
    expect(again.types.has('clusterf_ipvs_service_connections_total')).toBe(true);
    expect(seen).toEqual({ problems: [], opened: 2 });
  });

  test('is not asked more often than one that can', async () => {
    const { kernel, scrape } = scraping();
    kernel.failure = new Error('no');
    await scrape();
    await scrape();
    expect(kernel.reads).toBe(1);
  });
});

test('when the agent stops, the client is closed and no timer is left, not even by a scrape under way', async () => {
  const { kernel, clock, seen, scraper } = scraping();
  const text = scraper.scrape();
  await settled();
  scraper.close();
  kernel.failure = new Error('closed');
  kernel.answer();
  expect(readExposition([...(await text)].join('')).value('clusterf_ipvs_counters_up')).toBe(0);
  expect([kernel.closed, clock.timers, seen.problems.length]).toEqual([1, 0, 0]);
});
