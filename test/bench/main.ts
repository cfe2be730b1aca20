/**
 * `npm run bench [-- PART...] [--quick]`: measures in machines of the lab, says on what, and writes what comes out of
 * all but `start` to docs/benchmarks.md and docs/failover.md. `--quick` is for trying it: fewer runs, and nothing is written.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availableKind, hostRunsContainers, projectRoot, startMachine } from '../lab/index.js';
import { describeHost, describeMachine, type Program } from './describe.js';
import { writeSection } from './document.js';
import { runOnHost } from './on-host.js';

interface Part {
  readonly programs: readonly Program[];
  /** Needs no IPVS: the host's own kernel will do, where it runs containers, and starts them ten times faster. */
  readonly anyKernel?: boolean;
  /** Whether what comes out is kept. */
  readonly documented?: boolean;
  /** Where, of docs/; default benchmarks.md. */
  readonly document?: string;
  /** Whether it leaves all that was measured as JSON, which figures are drawn from. */
  readonly recorded?: boolean;
  /** Starts machines of its own, of user-mode kernels, from namespaces of its own on the host; as root. */
  readonly onHost?: boolean;
}

const PARTS: Readonly<Record<string, Part>> = {
  start: { programs: ['node', 'etcd', 'dockerd'] },
  failover: { programs: ['node', 'etcd'], documented: true, document: 'failover.md', recorded: true },
  kernel: { programs: ['node', 'etcd', 'ipvsadm', 'keepalived'], documented: true },
  discovery: { programs: ['node', 'etcd', 'dockerd'], anyKernel: true, documented: true },
  'data-plane': { programs: ['keepalived', 'haproxy', 'nginx', 'iperf3'], documented: true, recorded: true },
  'control-plane': { programs: ['node', 'etcd', 'dockerd', 'keepalived'], documented: true, recorded: true },
  'data-plane-alone': { programs: [], documented: true, recorded: true, onHost: true },
  'scale-out': { programs: [], documented: true, recorded: true, onHost: true },
};
const DEADLINE = 1_800_000;
const DOCUMENTS = join(projectRoot(), 'docs');
const RESULTS = join(DOCUMENTS, 'results');
const words = process.argv.slice(2);
const wanted = words.some((word) => word in PARTS) ? words : Object.keys(PARTS);
const rest = words.filter((word) => !(word in PARTS));
const stop = new AbortController();
const { signal } = stop;
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

for (const [name, part] of Object.entries(PARTS)) {
  if (!wanted.includes(name)) continue;
  if (part.onHost === true && (availableKind() !== 'uml' || process.getuid?.() !== 0)) {
    process.stdout.write(`${name}: skipped, since it needs root and user-mode kernels\n\n`);
    continue;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'clusterf-bench-'));
  const record = join(scratch, 'results.json');
  const measure = part.onHost === true ? measureOnHost : measureInMachine;
  const { description, report } = await measure(name, part, record);
  // A part of a part, or a quick run, is no measurement to be kept.
  if (rest.length === 0) {
    if (part.recorded === true) await cp(record, join(RESULTS, `${name}.json`));
    const command = `npm run bench -- ${name}`;
    if (part.documented === true)
      await writeSection(
        join(DOCUMENTS, part.document ?? 'benchmarks.md'),
        name,
        `${description}\n\nMeasured by \`${command}\`.\n\n${report.trim()}`,
      );
  }
  await rm(scratch, { recursive: true });
}

interface Outcome {
  /** What was measured on. */
  readonly description: string;
  /** Markdown. */
  readonly report: string;
}

/** @param record where to leave what is recorded */
async function measureInMachine(name: string, part: Part, record: string): Promise<Outcome> {
  const { programs, anyKernel = false, recorded = false } = part;
  const kind = anyKernel && hostRunsContainers() ? 'native' : availableKind();
  await using machine = await startMachine({ name: 'bench', memory: '3G', kind, signal });
  const description = `${describeHost()}\n${await describeMachine(machine, programs)}`;
  process.stdout.write(`${description}\n\n`);
  const inside = '/tmp/results.json';
  const report = await machine.output(
    [process.execPath, scriptOf(name), ...(recorded ? ['--results', inside] : []), ...rest],
    {
      timeout: DEADLINE,
      signal,
      onOutput: (text, stream) => process[stream].write(text),
    },
  );
  if (recorded) await machine.copyOut(inside, record);
  return { description, report };
}

async function measureOnHost(name: string, { recorded = false }: Part, record: string): Promise<Outcome> {
  const description = describeHost();
  process.stdout.write(`${description}\n\n`);
  const args = [scriptOf(name), ...(recorded ? ['--results', record] : []), ...rest];
  return { description, report: await runOnHost(args, signal) };
}

function scriptOf(name: string): string {
  return join(projectRoot(), 'test', 'dist', 'bench', `${name}.js`);
}
