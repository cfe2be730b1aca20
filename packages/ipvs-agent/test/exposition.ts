/** One line with a value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The value of the one sample that has this name and these labels, whatever others it has. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/y;
const SUFFIXES = /_(?:bucket|sum|count)$/;

/**
 * Reads Prometheus' text format 0.0.4, and is as strict as the format's description: metadata once and before the
 * samples, the samples of a metric together, no sample twice, escapes as they are defined.
 *
 * @throws Error that names the line
 */
export function readExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const done = new Set<string>();
  const series = new Set<string>();
  const samples: Sample[] = [];
  let current = '';
  const begin = (metric: string) => {
    if (metric === current) return;
    if (done.has(metric)) throw new Error('its metric has been before');
    done.add(metric);
    current = metric;
  };
  const line = (content: string) => {
    if (content === '') return;
    const [, what = '', about = '', words = ''] = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`, 's').exec(content) ?? [];
    if (what === 'HELP') {
      begin(about);
      if (helps.has(about) || /\\[^\\n]/.test(words)) throw new Error('HELP twice, or a bad escape');
      helps.add(about);
    } else if (what === 'TYPE') {
      begin(about);
      if (types.has(about) || !/^(counter|gauge|histogram)$/.test(words)) throw new Error('TYPE twice, or of no type');
      types.set(about, words);
    } else {
      const [, name = '', braces = '', value = ''] =
        new RegExp(`^(${NAME})(?:{(.*)})? ([0-9.e+-]+|NaN|[+-]Inf)$`, 's').exec(content) ?? [];
      if (name === '') throw new Error('no sample');
      const family = types.has(name) ? name : name.replace(SUFFIXES, '');
      begin(family);
      if (!types.has(family) || !helps.has(family)) throw new Error('no TYPE or no HELP before it');
      const sample = { name, labels: readLabels(braces), value: Number(value) };
      const id = JSON.stringify([name, Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
      if (series.has(id)) throw new Error('the same sample twice');
      series.add(id);
      samples.push(sample);
    }
  };
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  for (const [index, content] of text.split('\n').entries()) {
    try {
      line(content);
    } catch (cause) {
      throw new Error(`line ${index + 1}: ${content}`, { cause });
    }
  }
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const wanted = Object.entries(labels);
    const found = samples.filter((one) => one.name === name && wanted.every(([key, is]) => one.labels[key] === is));
    if (found.length > 1) throw new Error(`${found.length} samples ${name} ${JSON.stringify(labels)}`);
    return found[0]?.value;
  };
  return { types, samples, value };
}

function readLabels(braces: string): Readonly<Record<string, string>> {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < braces.length) {
    const at = LABEL.lastIndex;
    const match = LABEL.exec(braces);
    if (match === null) throw new Error(`bad label at ${braces.slice(at)}`);
    const [, name = '', raw = ''] = match;
    if (labels.has(name)) throw new Error(`label ${name} twice`);
    labels.set(
      name,
      raw.replaceAll(/\\(.)/gs, (_, character: string) => (character === 'n' ? '\n' : character)),
    );
  }
  return Object.fromEntries(labels);
}
