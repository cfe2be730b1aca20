import { UsageError } from '@clusterf/daemon';
import { quote } from '@clusterf/model';
import { valueOf } from './nest.js';

const FIELD = /^([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*)=(.*)$/s;

/** Whether an operand sets a field rather than being a whole value: `tcp=80`, `persistence.timeout=300`. */
export function isField(operand: string): boolean {
  return FIELD.test(operand);
}

/**
 * An entry's value with some fields set anew. Names count without regard to case, as they do in the tree; a field set
 * to nothing is removed.
 *
 * @param text the value as it is; undefined = there is none
 * @throws {UsageError} if something is no field
 */
export function withFields(text: string | undefined, operands: readonly string[]): unknown {
  let value: unknown = text === undefined ? {} : valueOf(text);
  if (!isObject(value))
    throw new UsageError(`the value is ${quote(text ?? '')}, which has no fields: give the whole value instead`);
  for (const operand of operands) {
    const [, name, written = ''] = FIELD.exec(operand) ?? [];
    if (name === undefined) throw new UsageError(`${quote(operand)} is no field; expected FIELD=VALUE, such as tcp=80`);
    value = withField(value, name.split('.'), written === '' ? undefined : fieldValue(written));
  }
  return value;
}

/** JSON where it is that, else the text itself. */
function fieldValue(written: string): unknown {
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

function withField(whole: unknown, [name = '', ...inner]: readonly string[], value: unknown): unknown {
  const fields = isObject(whole) ? Object.entries(whole) : [];
  const isIt = ([each]: readonly [string, unknown]) => each.toLowerCase() === name.toLowerCase();
  const found = fields.find(isIt);
  const field = inner.length === 0 ? value : withField(found?.[1], inner, value);
  const others = fields.filter((each) => !isIt(each));
  return Object.fromEntries(field === undefined ? others : [...others, [found?.[0] ?? name, field]]);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
