/**
 * `node packages/cli/build.mjs`: makes of every command one file, bundles/<command>.cjs, with its source map, the code that
 * V8 compiled of it, and the licences of what is in it. Does nothing where all that is newer than what it is made of.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { licences } from './build/licences.mjs';
import { nativeNetlink, netlinkInUse, precompiledProtocol, withoutReflection, withoutSsh } from './build/plugins.mjs';
import start from './start.cjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const COMMANDS = {
  clusterf: 'clusterf',
  'clusterf-config': 'clusterf/config',
  'clusterf-docker': '@clusterf/docker-agent',
  'clusterf-ipvs': '@clusterf/ipvs-agent',
};
/** As the commands' first lines have them: V8 takes compiled code only under the flags that it was compiled with. */
const NODE_FLAGS = ['--max-semi-space-size=4'];

for (const [command, packageName] of Object.entries(COMMANDS)) {
  const bundle = start.bundleOf(command);
  if (!start.isCurrent(bundle)) await build(bundle, packageName);
}

async function build(bundle, packageName) {
  // Before anything is read: what is compiled meanwhile makes the bundle outdated.
  const began = new Date();
  const { outputFiles, metafile } = await esbuild.build({
    stdin: { contents: `export * from '${packageName}'; export * from '@clusterf/store';`, resolveDir: HERE },
    outfile: bundle,
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // What is not there need not be read. Names stay, and lines of a bearable length, for whoever debugs it.
    minifyWhitespace: true,
    lineLimit: 200,
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    // Native code stays where it is.
    external: ['netlink/package.json', '*.node'],
    define: { 'import.meta.url': 'importMetaUrl', 'process.env.NODE_ENV': '"production"' },
    banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
    plugins: [precompiledProtocol, withoutReflection, nativeNetlink, netlinkInUse, withoutSsh],
    logLevel: 'warning',
  });
  const [map, code] = [outputFiles.find(isMap), outputFiles.find((file) => !isMap(file))];
  // V8 tells compiled code of other sources by little more than their length: never leave one beside another's bundle.
  for (const outdated of [bundle, `${bundle}.compiled`]) await rm(outdated, { force: true });
  await mkdir(dirname(bundle), { recursive: true });
  await writeFile(`${bundle}.map`, map.text);
  await writeFile(`${bundle}.licences.txt`, await licences(metafile));
  await writeFile(`${bundle}.new`, inAscii(code.text));
  await utimes(`${bundle}.new`, began, began);
  await rename(`${bundle}.new`, bundle);
  execFileSync(process.execPath, [...NODE_FLAGS, join(HERE, 'build', 'compile.cjs'), bundle], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function isMap({ path }) {
  return path.endsWith('.map');
}

/** So that it can be read without decoding and held in a byte a character: esbuild leaves regular expressions be. */
function inAscii(code) {
  // oxlint-disable-next-line no-control-regex -- ASCII from its first character on
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
