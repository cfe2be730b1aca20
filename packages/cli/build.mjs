/**
 * `node packages/cli/build.mjs`: makes of every command one file, dist/<command>.js, with its source map, the code that
 * V8 compiled of it, and the licences of what is in it. Does nothing where all that is newer than what it is made of.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { licences } from './build/licences.mjs';
import { nativeNetlink, precompiledProtocol, withoutReflection } from './build/plugins.mjs';
import start from './start.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const COMMANDS = { 'clusterf-docker': '@clusterf/docker-agent', 'clusterf-ipvs': '@clusterf/ipvs-agent' };

for (const [command, packageName] of Object.entries(COMMANDS)) {
  const bundle = start.bundleOf(command);
  if (!start.isCurrent(bundle)) await build(bundle, packageName);
}

async function build(bundle, packageName) {
  // Before anything is read: what is compiled meanwhile makes the bundle outdated.
  const began = new Date();
  await rm(bundle, { force: true });
  await mkdir(dirname(bundle), { recursive: true });
  const made = `${bundle}.new`;
  const { metafile } = await esbuild.build({
    stdin: { contents: `export * from '${packageName}'; export * from '@clusterf/store';`, resolveDir: HERE },
    outfile: made,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Names stay, for stack traces; what is not there need not be read.
    minifyWhitespace: true,
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    // Native code: loaded from its own package, as ever. ssh2's is optional and not built.
    external: ['cpu-features', '*.node'],
    define: { 'import.meta.url': 'importMetaUrl', 'process.env.NODE_ENV': '"production"' },
    banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
    plugins: [nativeNetlink, precompiledProtocol, withoutReflection],
    logLevel: 'warning',
  });
  await writeFile(`${bundle}.licences.txt`, await licences(metafile));
  await rename(`${made}.map`, `${bundle}.map`);
  // V8 tells compiled code of other sources by nothing but their length: never leave one beside another's bundle.
  await rm(`${bundle}.compiled`, { force: true });
  await utimes(made, began, began);
  await rename(made, bundle);
  execFileSync(process.execPath, [join(HERE, 'build', 'compile.js'), bundle], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
