const WIDTH = 78;

/** The latest section of CHANGELOG.md as Debian writes changelogs: deb-changelog(5). */
export function changelog(markdown, { version, maintainer, date }) {
  const [, latest = ''] = markdown.split(/^## .*$/m);
  const changes = [...latest.matchAll(/^- (.*(?:\n {2}.*)*)/gm)].map(([, text]) => text.replaceAll(/\s+/g, ' '));
  const trailer = ` -- ${maintainer}  ${date.toUTCString().replace('GMT', '+0000')}`;
  return [`clusterf (${version}) unstable; urgency=medium`, '', ...changes.flatMap(wrap), '', trailer, ''].join('\n');
}

function wrap(text) {
  const lines = [];
  let line = '  *';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
