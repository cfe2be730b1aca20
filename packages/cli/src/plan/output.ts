/** A plan in the forms that `clusterf plan` has for it. Pure. */
import {
  describeOp,
  type Desired,
  ipvsadmLine,
  ipvsadmTable,
  type Op,
  printTable,
  type Rehearsal,
  rehearsalText,
  tableData,
} from '@clusterf/ipvs-agent';
import type { Problem } from '@clusterf/model';
import { asData } from '../output.js';

export const FORMS = ['ops', 'ipvsadm', 'json', 'yaml'] as const;
export type Form = (typeof FORMS)[number];

/** What is to be done. */
export function changesAs(form: Form, rehearsal: Rehearsal, problems: readonly Problem[]): string {
  switch (form) {
    case 'ops':
      return rehearsalText(rehearsal);
    case 'ipvsadm':
      return lines([...(rehearsal.flushed.length > 0 ? ['-C'] : []), ...rehearsal.ops.map(ipvsadmLine)]);
    case 'json':
    case 'yaml': {
      const { ops, ...others } = rehearsal;
      return asData({ operations: ops.map(operationData), ...others, problems }, form);
    }
  }
}

/** All that should be there. */
export function tableAs(form: Form, desired: Desired, problems: readonly Problem[]): string {
  switch (form) {
    case 'ops':
      return printTable(desired, desired);
    case 'ipvsadm':
      return lines(ipvsadmTable(desired));
    case 'json':
    case 'yaml':
      return asData({ virtualServices: tableData(desired), problems }, form);
  }
}

function operationData(op: Op): Readonly<Record<string, unknown>> {
  return { operation: op.command, ...describeOp(op) };
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
