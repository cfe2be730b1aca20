/**
 * `npm run bench [-- PART...] [--quick]`: measures in machines of the lab, says on what, and writes what comes out of
 * `kernel`, `discovery` and `data-plane` to docs/benchmarks.md. `--quick` is for trying it: fewer runs, and nothing is written.
 */
import { join } from 'node:path';
import { availableKind, hostRunsContainers, projectRoot, startMachine } from '../lab/index.js';
import { describeHost, describeMachine, type Program } from './describe.js';
import { writeSection } from './document.js';

interface Part {
  readonly programs: readonly Program[];
  /** Needs no IPVS: the host's own kernel will do, where it runs containers, and starts them ten times faster. */
  readonly anyKernel?: boolean;
  /** Whether what comes out is kept. */
  readonly documented?: boolean;
  /** Whether it leaves all that was measured as JSON, which figures are drawn from. */
  readonly recorded?: boolean;
}

const PARTS: Readonly<Record<string, Part>> = {
  start: { programs: ['node', 'etcd', 'dockerd'] },
  kernel: { programs: ['node', 'etcd', 'ipvsadm', 'keepalived'], documented: true },
  discovery: { programs: ['node', 'etcd', 'dockerd'], anyKernel: true, documented: true },
  'data-plane': { programs: ['keepalived', 'haproxy', 'nginx', 'iperf3'], documented: true, recorded: true },
};
const DEADLINE = 1_800_000;
const DOCUMENT = join(projectRoot(), 'docs', 'benchmarks.md');
const RESULTS = join(projectRoot(), 'docs', 'results');
/** Inside a machine. */
const RECORD = '/tmp/results.json';

const words = process.argv.slice(2);
const wanted = words.some((word) => word in PARTS) ? words : Object.keys(PARTS);
const rest = words.filter((word) => !(word in PARTS));
const stop = new AbortController();
const { signal } = stop;
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());

for (const [name, { programs, anyKernel = false, documented = false, recorded = false }] of Object.entries(PARTS)) {
  if (!wanted.includes(name)) continue;
  const kind = anyKernel && hostRunsContainers() ? 'native' : availableKind();
  await using machine = await startMachine({ name: 'bench', memory: '3G', kind, signal });
  const description = `${describeHost()}\n${await describeMachine(machine, programs)}`;
  process.stdout.write(`${description}\n\n`);
  const report = await machine.output(
    [
      process.execPath,
      join(projectRoot(), 'test', 'dist', 'bench', `${name}.js`),
      ...(recorded ? ['--results', RECORD] : []),
      ...rest,
    ],
    {
      timeout: DEADLINE,
      signal,
      onOutput: (text, stream) => process[stream].write(text),
    },
  );
  // A part of a part, or a quick run, is no measurement to be kept.
  if (rest.length > 0) continue;
  if (recorded) await machine.copyOut(RECORD, join(RESULTS, `${name}.json`));
  if (documented) {
    const command = `npm run bench -- ${name}`;
    await writeSection(DOCUMENT, name, `${description}\n\nMeasured by \`${command}\`.\n\n${report.trim()}`);
  }
}
