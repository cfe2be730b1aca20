import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../test/lab/index.js';
import { PROFILE_NAMES, wantedSysctls } from '../src/profiles.js';

test.each(PROFILE_NAMES)('docs/sysctls.md shows what the profile %s sets, and says why', async (profile) => {
  const text = await readFile(join(projectRoot(), 'docs', 'sysctls.md'), 'utf8');
  const section = text.split(/^## /m).find((one) => one.startsWith(`\`${profile}\`\n`)) ?? '';
  const rows = [...section.matchAll(/^\| `(net[^`]*)` \| `([^`]*)` \| (.+) \|$/gm)];
  const documented = rows.map(([, name, value, why = '']) => ({
    name,
    value,
    interface: /^Only with `(\w+)`/.exec(why)?.[1],
  }));
  const wanted = wantedSysctls(profile, []);
  expect(documented).toEqual(wanted.map(({ name, value, interface: device }) => ({ name, value, interface: device })));
});
