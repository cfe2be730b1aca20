/** What Debian keeps on every machine need not be repeated in every package. */
const APACHE = /^[ \t]*Apache License\n[ \t]*Version 2\.0, January 2004\n[^]*?END OF TERMS AND CONDITIONS[ \t]*$/m;
const APACHE_HERE = 'Apache License 2.0: see /usr/share/common-licenses/Apache-2.0';

/** The package's own licence, then those of the modules that are in its bundles, each once. */
export function copyright(own, bundled) {
  const separator = `\n${'='.repeat(80)}\n\n`;
  const modules = new Set(bundled.flatMap((licences) => licences.replaceAll('\r', '').split(separator)));
  return [
    `${own.trim()}\n\n\nThe commands contain modules of others, under these licences:\n`,
    ...Array.from(modules)
      .toSorted((one, other) => (one < other ? -1 : 1))
      .map((text) => text.replace(APACHE, APACHE_HERE)),
  ].join(separator);
}
