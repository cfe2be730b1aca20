import { type Kind, type Nested, nested } from './kinds.js';

/** One row of a family's attribute table, with a value of its own. */
export interface Attribute<T> {
  /** As in the kernel's header. */
  readonly name: string;
  readonly number: number;
  readonly kind: Kind<T>;
}

/** One that holds further attributes. */
export interface NestedAttribute {
  readonly name: string;
  readonly number: number;
  readonly kind: Nested;
}

export function attribute<T>(name: string, number: number, kind: Kind<T>): Attribute<T> {
  return { name, number, kind };
}

export function nest(name: string, number: number): NestedAttribute {
  return { name, number, kind: nested };
}
