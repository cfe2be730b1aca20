/** Finding our labels among a container's: both prefixes, own before general. What they mean is read elsewhere. */

export type Labels = Readonly<Record<string, string>>;

/** The second is the original program's. Where both are set, the first wins. */
export const PREFIXES = ['clusterf.', 'net.qmsk.clusterf.'] as const;

export interface Setting {
  /** The whole label, as the container has it. */
  readonly label: string;
  readonly value: string;
}

export function find(labels: Labels, name: string): Setting | undefined {
  for (const prefix of PREFIXES) {
    const value = labels[`${prefix}${name}`];
    if (value !== undefined) return { label: `${prefix}${name}`, value };
  }
  return undefined;
}

/** The service's own label, then the general one, as far as they are there. */
export function settings(
  labels: Labels,
  side: 'backend' | 'frontend',
  service: string,
  field: string,
): readonly Setting[] {
  return [find(labels, `${side}:${service}.${field}`), find(labels, `${side}.${field}`)].filter(
    (setting) => setting !== undefined,
  );
}
