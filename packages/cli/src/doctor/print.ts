import { styleText } from 'node:util';
import { onOneLine } from '../output.js';
import type { Finding } from './finding.js';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
const WIDTH = 20;
const INDENT = ' '.repeat(6);

/** Findings as a person reads them: what was found, what it leads to, and below it what to type. */
export function printFindings(
  findings: readonly Finding[],
  { quiet, colour }: { readonly quiet: boolean; readonly colour: boolean },
): string {
  const shown = quiet ? findings.filter(({ severity }) => severity !== 'ok') : findings;
  return `${shown.map((finding) => printFinding(finding, colour)).join('')}${shown.length > 0 ? '\n' : ''}${count(findings)}\n`;
}

function printFinding({ check, severity, found, why, mend }: Finding, colour: boolean): string {
  const mark = severity.padEnd(INDENT.length);
  const [first = '', ...more] = found.split('\n').map(onOneLine);
  const lines = [
    `${colour ? styleText(COLOURS[severity], mark, { validateStream: false }) : mark}${check.padEnd(WIDTH)}${first}`,
    ...more.map((line) => `${INDENT}${' '.repeat(WIDTH)}${line}`),
    ...(why === undefined ? [] : [`${INDENT}  ${why}`]),
    ...(mend === undefined
      ? []
      : mend.split('\n').map((line) => `${INDENT}  ${line.startsWith('#') ? line : `$ ${line}`}`)),
  ];
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function count(findings: readonly Finding[]): string {
  const of = (severity: Finding['severity']) => findings.filter((finding) => finding.severity === severity).length;
  const [failures, warnings] = [of('fail'), of('warn')];
  return `${plural(failures, 'failure')}, ${plural(warnings, 'warning')}, ${of('ok')} ok`;
}

function plural(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
