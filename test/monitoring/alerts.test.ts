import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../lab/index.js';

const run = promisify(execFile);

test('alerts are raised for what they are about, and not before their time', async () => {
  const { stdout } = await run('promtool', ['test', 'rules', join(projectRoot(), 'test/monitoring/alerts.test.yml')]);
  expect(stdout).toContain('SUCCESS');
});
