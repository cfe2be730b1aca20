import type { Explained, Explanation } from './explain.js';
import type { LabelProblem } from './findings.js';

/**
 * An explanation for a person to read:
 *
 *     web-1 (3139f34798e4)
 *
 *     web: backend {"ipv4":"172.18.0.2","tcp":8080,"weight":10,"host":"docker1","container":"web-1"}
 *       in the tree: services/web/backends/3139f34798e44bcc…
 *       state    running     Docker
 *       weight   10          default
 *       tcp      8080        clusterf.backend.tcp
 *       network  front       --network
 *       ipv4     172.18.0.2  network front
 */
export function explanationText({ id, name, services, problems }: Explanation): string {
  const none = services.length === 0 ? ['no backend: no service is named; expected a label clusterf.service'] : [];
  const blocks = services.map(({ service, backend, frontend }) => [
    ...block(service, 'backend', backend),
    ...(frontend === undefined ? [] : block(service, 'frontend', frontend)),
  ]);
  const bad = problems.length === 0 ? [] : [['labels that cannot be read:', ...problems.map(problemLine)]];
  return [[`${name} (${id.slice(0, 12)})`, ...none], ...blocks, ...bad]
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
    .join('\n');
}

function block(service: string, what: string, { key, value, refusal, facts, problems }: Explained): readonly string[] {
  const verdict =
    value === undefined ? [`no ${what}: ${refusal ?? ''}`] : [`${what} ${value}`, `  in the tree: ${key}`];
  // What the verdict says already is not said twice.
  const others = problems.filter(({ message }) => message !== refusal);
  return [
    `${service}: ${verdict.join('\n')}`,
    ...table(facts.map((fact) => [fact.what, fact.value, fact.from])),
    ...others.map(problemLine),
  ];
}

function problemLine({ label, message }: LabelProblem): string {
  return `  ! ${printable(label)}: ${printable(message)}`;
}

/** All columns but the last padded to their widest. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

/** Labels may hold anything, and a terminal is not to obey them. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return /[\u0000-\u001f\u007f-\u009f]/.test(text) ? JSON.stringify(text) : text;
}
