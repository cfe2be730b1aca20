import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../../test/lab/index.js';

const run = promisify(execFile);
const CLI = join(projectRoot(), 'packages', 'cli');

const TAKE = `
  const { readFileSync } = require('node:fs');
  const [, bundle] = process.argv;
  const source = require('node:module').Module.wrap(readFileSync(bundle, 'latin1'));
  const script = new (require('node:vm').Script)(source, { cachedData: readFileSync(bundle + '.compiled') });
  console.log(script.cachedDataRejected ? 'rejected' : 'taken');
`;

test.each(['clusterf', 'clusterf-config', 'clusterf-docker', 'clusterf-ipvs'])(
  'V8 takes the code that was compiled of %s, under the flags that the command starts it with',
  async (command) => {
    const [firstLine = ''] = (await readFile(join(CLI, 'bin', `${command}.cjs`), 'utf8')).split('\n');
    const flags = firstLine.split(' ').filter((word) => word.startsWith('--'));
    expect(flags).not.toEqual([]);
    const bundle = join(CLI, 'bundles', `${command}.cjs`);
    const { stdout } = await run(process.execPath, [...flags, '-e', TAKE, bundle]);
    expect(stdout).toBe('taken\n');
  },
);
