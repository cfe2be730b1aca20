import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The licences of the packages whose code is in a bundle, as their files say them. */
export async function licences({ inputs }) {
  const directories = new Set(
    Object.keys(inputs).flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
  );
  const texts = await Promise.all([...directories].toSorted().map(licence));
  return texts.join(`\n${'='.repeat(80)}\n\n`);
}

async function licence(directory) {
  const { name, version, license } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
  const files = (await readdir(directory)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = await Promise.all(files.map(async (file) => await readFile(join(directory, file), 'utf8')));
  return [`${name} ${version} (${license ?? 'see below'})`, ...texts].join('\n\n');
}
