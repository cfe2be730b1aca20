/** Values by series, which is a metric's name with its labels. */
type Samples = Map<string, string>;

/** The line that all that is said of a metric begins with. */
const HELP = /^# HELP (\S+)/;

/**
 * Two agents' metrics, as Prometheus text, as those of the one process that they are. Of a series that both have
 * (`process_…`, `clusterf_ready`) the lesser value counts: what is ready is what both are.
 *
 * @param few held as a whole
 * @param many pieces of whole lines, of which none are held
 */
export function* mergeMetrics(few: Iterable<string>, many: Iterable<string>): Iterable<string> {
  const rest = samplesByMetric(few);
  /** What `few` has of the metric at hand. */
  let others: Samples = new Map();
  for (const line of linesOf(many)) {
    const [, name] = HELP.exec(line) ?? [];
    if (name !== undefined) {
      yield* textOf(others);
      others = rest.get(name)?.samples ?? new Map();
      rest.delete(name);
    }
    const [series, value] = sampleOf(line);
    const other = line.startsWith('#') ? undefined : others.get(series);
    others.delete(series);
    yield other !== undefined && Number(other) < Number(value) ? `${series} ${other}\n` : `${line}\n`;
  }
  yield* textOf(others);
  for (const { comments, samples } of rest.values()) {
    yield comments;
    yield* textOf(samples);
  }
}

function samplesByMetric(text: Iterable<string>): Map<string, { comments: string; readonly samples: Samples }> {
  const metrics = new Map<string, { comments: string; readonly samples: Samples }>();
  let metric = { comments: '', samples: new Map<string, string>() };
  for (const line of linesOf(text)) {
    const [, name] = HELP.exec(line) ?? [];
    if (name !== undefined) {
      metric = { comments: '', samples: new Map() };
      metrics.set(name, metric);
    }
    if (line.startsWith('#')) metric.comments += `${line}\n`;
    else metric.samples.set(...sampleOf(line));
  }
  return metrics;
}

function* linesOf(pieces: Iterable<string>): Iterable<string> {
  for (const piece of pieces) for (const line of piece.split('\n')) if (line !== '') yield line;
}

/** A label's value may hold anything, spaces too; a sample's is what comes last. */
function sampleOf(line: string): [series: string, value: string] {
  const end = line.lastIndexOf(' ');
  return [line.slice(0, end), line.slice(end + 1)];
}

function* textOf(samples: Samples): Iterable<string> {
  for (const [series, value] of samples) yield `${series} ${value}\n`;
}
