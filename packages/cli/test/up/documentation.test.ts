import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../../test/lab/index.js';

const run = promisify(execFile);

test('docs/up.md shows what clusterf up --help says', async () => {
  const documented = await readFile(join(projectRoot(), 'docs', 'up.md'), 'utf8');
  const bin = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');
  const { stdout } = await run(process.execPath, [bin, 'up', '--help']);
  const help = stdout.replace(/^ *Every option can also be set[^]*/m, '').trim();
  expect(documented).toContain(`\`\`\`\n${help}\n\`\`\`\n`);
});
