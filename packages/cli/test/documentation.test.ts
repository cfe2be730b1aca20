import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../test/lab/index.js';

const run = promisify(execFile);

test.each(['clusterf-ipvs', 'clusterf-docker'])('docs/configuration.md shows what %s --help says', async (name) => {
  const documented = await readFile(join(projectRoot(), 'docs', 'configuration.md'), 'utf8');
  const { stdout } = await run(process.execPath, [
    join(projectRoot(), 'packages', 'cli', 'bin', `${name}.cjs`),
    '--help',
  ]);
  const help = stdout.replace(/^ *Every option can also be set[^]*/m, '').trim();
  expect(documented).toContain(`\`\`\`\n${help}\n\`\`\`\n`);
});
