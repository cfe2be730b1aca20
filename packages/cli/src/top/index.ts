import {
  type CommandContext,
  delay,
  EXIT,
  type Environment,
  FailureError,
  runCommand,
  systemClock,
  toError,
  UsageError,
} from '@clusterf/daemon';
import { etcdOptions, openSource, type Source } from '@clusterf/store';
import { inWords } from '../tree/in-words.js';
import { findRunningUp } from '../up/running.js';
import { agentCounters, agentUrl, LOCAL_AGENT } from './agent-counters.js';
import { KernelCounters } from './kernel-counters.js';
import type { Look } from './look.js';
import { FollowedNames } from './names.js';
import { command, type TopOptions } from './options.js';
import { Screen } from './screen.js';
import { type Sorting, sumOf } from './sums.js';
import { type Moment, momentLines } from './text.js';
import { UpSource } from './up-source.js';

export { command } from './options.js';

/** Somewhere that counters come from. */
interface CounterSource {
  readonly name: string;
  /** @throws Error in words */
  readonly look: () => Promise<Look>;
}

/** What is shown, and what it is called. */
interface Subject {
  readonly sources: readonly CounterSource[];
  readonly names: FollowedNames;
  /** Whether things have no names at all without the tree. */
  readonly needsNames: boolean;
}

/** One look at all of them. */
interface Looked {
  readonly at: Date;
  readonly looks: readonly Look[];
  readonly complaints: readonly string[];
  /** Some could not be asked. */
  readonly failed: boolean;
}

const SORT_KEYS: Readonly<Record<string, Sorting>> = {
  c: 'connections',
  a: 'active',
  p: 'packets',
  b: 'bytes',
  n: 'name',
};
const FOOTER = 'q quit   sort by  c connections/s  a active  p packets/s  b bytes/s  n name';

/** Milliseconds that the first look waits for names that it can do without. */
const NAMES_WITHIN = 2_000;

/** `clusterf top` @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, context) =>
    inWords(command, async () => {
      if (options.kernel && options.from.length > 0) throw new UsageError('--kernel and --from exclude each other');
      const { signal } = context;
      const names = followNames(options, await sourcesOf(options), signal);
      if (!options.kernel) {
        await Promise.race([names.known, delay(systemClock, NAMES_WITHIN, signal)]);
        return await show({ sources: agentsOf(options, signal), names, needsNames: false }, options, context);
      }
      using kernel = await KernelCounters.open();
      await names.known;
      const source = { name: 'kernel', look: async () => await kernel.look(names.now) };
      return await show({ sources: [source], names, needsNames: true }, options, context);
    }),
  );
}

function agentsOf({ from }: TopOptions, signal: AbortSignal): readonly CounterSource[] {
  const urls = from.length === 0 ? [LOCAL_AGENT] : from.flatMap((text) => agentUrl(text) ?? []);
  return urls.map((url) => ({ name: url, look: async () => await agentCounters(url, signal) }));
}

/** Where names are: what is given, or what the `clusterf up` goes by that runs here, or else this machine's etcd. */
async function sourcesOf(options: TopOptions): Promise<readonly Source[]> {
  const { configSource, etcdHost, from } = options;
  const open = (urls: readonly string[], etcd = etcdOptions(options)) => urls.map((url) => openSource(url, etcd));
  if (configSource.length > 0) return open(configSource);
  const up = etcdHost.length > 0 || from.length > 0 ? undefined : await findRunningUp();
  if (up === undefined) return open(['etcd:']);
  const { registry, sources } = up.place;
  const theirs = open(sources, etcdOptions(up.options));
  return registry === undefined ? [new UpSource(up), ...theirs] : theirs;
}

function followNames(options: TopOptions, sources: readonly Source[], signal: AbortSignal): FollowedNames {
  const planned = { method: 'masq', scheduler: 'wlc', elide: false, onlyHost: options.onlyHost } as const;
  return new FollowedNames(sources, options.filterRoutes, planned, signal);
}

/** Looks again and again. @returns the exit code */
async function show(subject: Subject, options: TopOptions, { signal }: CommandContext): Promise<number> {
  const { stdin, stdout } = process;
  const isLive = options.output === 'table' && options.iterations === undefined && !options.once;
  const first = await lookAt(subject);
  if (first.looks.length === 0 && !signal.aborted) throw new FailureError(nothingFrom(first, options));
  if (isLive && stdin.isTTY && stdout.isTTY) return await showOnScreen(first, subject, options, signal);

  const count = options.once ? 1 : (options.iterations ?? Infinity);
  let looked = first;
  for (let done = 1; !signal.aborted; done += 1) {
    process.stdout.write(printed(looked, subject, options));
    if (done >= count) return looked.failed ? EXIT.failed : EXIT.ok;
    await delay(systemClock, options.interval, signal);
    if (!signal.aborted) looked = await lookAt(subject);
  }
  return EXIT.ok;
}

async function showOnScreen(
  first: Looked,
  subject: Subject,
  { interval, sort }: TopOptions,
  signal: AbortSignal,
): Promise<number> {
  const quit = new AbortController();
  const ending = AbortSignal.any([signal, quit.signal]);
  using screen = new Screen(process.stdin, process.stdout);
  let [looked, sorting] = [first, sort];
  const draw = () => screen.draw(momentLines(momentOf(looked, subject, sorting)), FOOTER);
  screen.on('quit', () => quit.abort());
  screen.on('resize', draw);
  screen.on('key', (key) => {
    sorting = SORT_KEYS[key] ?? sorting;
    draw();
  });
  while (!ending.aborted) {
    draw();
    await delay(systemClock, interval, ending);
    // Not waited for if it ends meanwhile: an agent may be slow.
    const next = ending.aborted ? undefined : await Promise.race([lookAt(subject), aborted(ending)]);
    looked = next ?? looked;
  }
  return EXIT.ok;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

/** Asks all at once; one that does not answer is a complaint. */
async function lookAt({ sources, names, needsNames }: Subject): Promise<Looked> {
  const outcomes = await Promise.allSettled(sources.map(async ({ look }) => await look()));
  const failures = outcomes.flatMap((outcome, index) =>
    outcome.status === 'rejected' ? [`${sources[index]?.name}: ${toError(outcome.reason).message}`] : [],
  );
  return {
    at: new Date(),
    looks: outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
    complaints: [...failures, ...(needsNames ? names.complaints : [])],
    failed: failures.length > 0,
  };
}

function nothingFrom({ complaints }: Looked, { kernel, from }: TopOptions): string {
  const advice =
    kernel || from.length > 0
      ? ''
      : '. Is clusterf-ipvs running here? --from asks the agent of another balancer, --kernel the kernel itself';
  return `no counters: ${complaints.join('; ')}${advice}`;
}

function momentOf(
  { at, looks, complaints }: Looked,
  { sources, names, needsNames }: Subject,
  sorting: Sorting,
): Moment {
  return {
    from: sources.map(({ name }) => name),
    at,
    sorting,
    complaints,
    services: sumOf(looks, sorting),
    // What an agent's counters have no name for its tree does not have.
    treeIsRead: !needsNames || names.complaints.length === 0,
    container: (service, backend) => names.container(service, backend),
  };
}

function printed(looked: Looked, subject: Subject, { output, sort }: TopOptions): string {
  const moment = momentOf(looked, subject, sort);
  return output === 'json' ? `${JSON.stringify(moment)}\n` : `${momentLines(moment).join('\n')}\n\n`;
}
