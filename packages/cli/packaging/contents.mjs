import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import start from '../start.cjs';
import { changelog } from './changelog.mjs';
import { copyright } from './copyright.mjs';
import { manPages } from './man-pages.mjs';

const CLI = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOT = join(CLI, '..', '..');
const LIBRARY = 'usr/lib/clusterf';
const DOC = 'usr/share/doc/clusterf';
/** Where each shell looks for what completes a command, by that command's name; zsh reads all there are. */
const COMPLETIONS = {
  bash: (command) => `usr/share/bash-completion/completions/${command}`,
  fish: (command) => `usr/share/fish/vendor_completions.d/${command}.fish`,
  zsh: () => 'usr/share/zsh/vendor-completions/_clusterf',
};

/**
 * All that the package installs, sorted: `path` without its leading slash, and either `data`, with `mode` where that is
 * not 0644, or `link`.
 */
export async function contents(about) {
  const { bin } = JSON.parse(await readFile(join(CLI, 'package.json'), 'utf8'));
  const commands = Object.keys(bin);
  const licences = await Promise.all(
    commands.map(async (command) => await readFile(`${start.bundleOf(command)}.licences.txt`, 'utf8')),
  );
  const files = [
    ...(await programs(bin)),
    ...(await nativeNetlink()),
    ...(await asTheyAre('systemd', 'usr/lib/systemd/system')),
    ...(await asTheyAre('etc', 'etc')),
    ...(await asTheyAre('lintian', 'usr/share/lintian/overrides')),
    ...(await manPages(commands, about.date)).map(({ name, section, text }) =>
      zipped(`usr/share/man/man${section}/${name}.${section}`, text),
    ),
    ...completions(commands),
    ...(await documentation()),
    zipped(`${DOC}/changelog`, changelog(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), about)),
    { path: `${DOC}/copyright`, data: copyright(await readFile(join(ROOT, 'LICENSE'), 'utf8'), licences) },
  ];
  return files.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** The commands, as their own directories have them, and links to them where everybody looks. */
async function programs(bin) {
  const files = [await copy(join(CLI, 'start.cjs'), `${LIBRARY}/start.cjs`)];
  for (const [command, path] of Object.entries(bin)) {
    const script = await readFile(join(CLI, path), 'utf8');
    // The one that the package depends on, whatever else the PATH leads to.
    const data = script.replace(/^#!\/usr\/bin\/env -S node /, '#!/usr/bin/node ');
    files.push({ path: `${LIBRARY}/${path}`, data, mode: 0o755 });
    files.push({ path: `usr/bin/${command}`, link: `../lib/clusterf/${path}` });
    const bundle = start.bundleOf(command);
    for (const part of [bundle, `${bundle}.map`, `${bundle}.compiled`])
      files.push(await copy(part, `${LIBRARY}/${relative(CLI, part)}`));
  }
  return files;
}

/** The one native module, which bundles ask for: its binary for this architecture. */
async function nativeNetlink() {
  const manifest = createRequire(import.meta.url).resolve('netlink/package.json');
  const target = `${LIBRARY}/node_modules/netlink`;
  const prebuilt = join('prebuilds', `linux-${process.arch}`);
  const names = await readdir(join(dirname(manifest), prebuilt));
  return [
    await copy(manifest, `${target}/package.json`),
    ...(await Promise.all(
      names.map(async (name) => await copy(join(dirname(manifest), prebuilt, name), `${target}/${prebuilt}/${name}`)),
    )),
  ];
}

/** What stands in a directory beside this file. */
async function asTheyAre(directory, target) {
  const source = join(CLI, 'packaging', directory);
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(files.map(async (file) => await copy(file, join(target, relative(source, file)))));
}

/** What `--help` refers to, with the figures it shows. */
async function documentation() {
  const directory = join(ROOT, 'docs');
  const names = (await readdir(directory, { recursive: true })).filter((name) => /\.(md|svg)$/.test(name));
  const files = await Promise.all(names.map(async (name) => await copy(join(directory, name), `${DOC}/docs/${name}`)));
  return [await copy(join(ROOT, 'README.md'), `${DOC}/README.md`), ...files];
}

/** One file for each shell, and for those that look by name a link to it for each other command. */
function completions(commands) {
  const program = join(CLI, 'bin', 'clusterf.cjs');
  return Object.entries(COMPLETIONS).flatMap(([shell, place]) => {
    const path = place('clusterf');
    const data = execFileSync(process.execPath, [program, 'completion', shell]);
    const places = new Set(commands.map(place));
    places.delete(path);
    return [{ path, data }, ...Array.from(places, (other) => ({ path: other, link: basename(path) }))];
  });
}

async function copy(from, path) {
  return { path, data: await readFile(from) };
}

function zipped(path, text) {
  return { path: `${path}.gz`, data: gzipSync(text, { level: 9 }) };
}
