import {
  defineCommand,
  type Environment,
  FailureError,
  type OptionsOf,
  runCommand,
  toError,
  UsageError,
} from '@clusterf/daemon';
import { command as docker, type Explanation, explanationText, explainFor, hostName } from '@clusterf/docker-agent';
import { command as balancer } from '@clusterf/ipvs-agent';
import { checkName } from '@clusterf/model';
import { type EditableTree, etcdOptions, openTree } from '@clusterf/store';
import { asData, outputOption } from '../output.js';
import { inWords } from '../tree/in-words.js';
import { asUpIsTold, IN_MEMORY, type Told } from '../up/as-told.js';
import { dockerAgentOptions } from '../up/command.js';
import { findRunningUp } from '../up/running.js';
import { VERSION } from '../version.js';
import { upEntries } from './memory.js';
import { treeSideText } from './text.js';
import { findBackend, type TreeSide, treeSide, type TreeView, treeView } from './tree-side.js';

const { explain, ...dockerOptions } = docker.options;

export const command = defineCommand({
  command: 'clusterf explain',
  summary:
    'Why a container of this host is or is not a backend, and what becomes of it.\n' +
    'Says for each service what its labels come to, whether it is in the tree, by which route and method balancers ' +
    'reach it, and why they leave it out.\n' +
    'A backend of any host is named SERVICE/BACKEND: by its name, the beginning of it, or its container; then Docker is ' +
    'not asked.\n' +
    "Takes the options of clusterf-docker, since the answer depends on them: --config with that agent's file has them. " +
    'Where clusterf up runs, what is not given is as it was told, and its tree in memory is looked at.',
  version: VERSION,
  attended: true,
  operands: 'CONTAINER | SERVICE/BACKEND',
  options: {
    ...outputOption,
    'ipvs-fwd-method': balancer.options['ipvs-fwd-method'],
    ...dockerOptions,
  },
});

type ExplainOptions = OptionsOf<typeof command>;

/** Reads the tree. @throws Error in words */
type ReadTree = () => Promise<TreeView>;

/** `clusterf explain` @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await inWords(command, async () => {
    const told = await asUpIsTold(
      command,
      { argv, env },
      (options, { registry = IN_MEMORY }) => dockerAgentOptions(options, registry),
      findRunningUp,
    );
    return await run(told);
  });
}

async function run({ argv, env }: Told): Promise<number> {
  return await runCommand(command, argv, env, async (options, { operands, signal }) =>
    inWords(command, async () => {
      const [subject, ...others] = operands;
      if (subject === undefined || others.length > 0)
        throw new UsageError(`expected one container, or one SERVICE/BACKEND; got ${operands.length} of them`);
      if (options.configSource === IN_MEMORY)
        return await explainAny(subject, async () => await readMemory(options), options, env, signal);
      using tree = openTree(options.configSource, etcdOptions(options));
      signal.addEventListener('abort', () => tree[Symbol.dispose]());
      await explainAny(subject, async () => await read(tree, options), options, env, signal);
    }),
  );
}

async function explainAny(
  subject: string,
  readTree: ReadTree,
  options: ExplainOptions,
  env: Environment,
  signal: AbortSignal,
): Promise<void> {
  if (subject.includes('/')) await explainBackend(subject, readTree, options);
  else await explainContainer(subject, readTree, options, env, signal);
}

async function explainBackend(subject: string, readTree: ReadTree, options: ExplainOptions): Promise<void> {
  const [service = '', text = '', ...more] = subject.split('/');
  if (more.length > 0 || !checkName(service).ok || text === '')
    throw new UsageError(`${JSON.stringify(subject)}: expected SERVICE/BACKEND`);
  const view = await readTree();
  const side = treeSide(view, service, findBackend(view, service, text));
  print(options, `${side.key} in ${view.url}\n\n${treeSideText(side)}`, { url: view.url, backend: side });
}

async function explainContainer(
  subject: string,
  readTree: ReadTree,
  options: ExplainOptions,
  env: Environment,
  signal: AbortSignal,
): Promise<void> {
  const expected = explain.check(subject);
  if (expected !== undefined) throw new UsageError(`${JSON.stringify(subject)} is not ${expected}`);
  const theirs = { ...options, explain: subject };
  const explanation = await explainFor(subject, theirs, env, signal);
  const text = explanationText(explanation);
  const view = await readTree().catch((thrown: unknown) => toError(thrown));
  if (view instanceof Error) {
    const why = `the tree cannot be read, so whether it is registered is not known: ${view.message}`;
    return print(options, `${text}\n${why}\n`, { container: explanation, tree: { error: view.message } });
  }
  const sides = explanation.services.map(({ service }) => treeSide(view, service, explanation.id, hostName(theirs)));
  const blocks = sides.map((side) => treeSideText(side, { value: wanted(explanation, side) }));
  const heading = blocks.length === 0 ? '' : `\nIn the tree, ${view.url}:\n\n`;
  print(options, text + heading + blocks.join('\n'), {
    container: explanation,
    tree: { url: view.url, backends: sides },
  });
}

function wanted({ services }: Explanation, { service }: TreeSide): string | undefined {
  return services.find((each) => each.service === service)?.backend.value;
}

async function read(tree: EditableTree, { ipvsFwdMethod }: ExplainOptions): Promise<TreeView> {
  const entries = await tree.read();
  const leases = new Set([...entries.values()].flatMap(({ lease }) => lease ?? []));
  return treeView(tree.url, entries, await tree.leaseTimes(leases), ipvsFwdMethod);
}

/** That of the `clusterf up` that runs here. */
async function readMemory({ ipvsFwdMethod }: ExplainOptions): Promise<TreeView> {
  const up = await findRunningUp();
  if (up === undefined)
    throw new FailureError('it is in the memory of clusterf up, of which none that could be asked runs here');
  const entries = await upEntries(up);
  const url = `the memory of clusterf up, process ${up.pid}`;
  return { ...treeView(url, entries, new Map(), ipvsFwdMethod), ofUp: true };
}

function print({ output }: ExplainOptions, text: string, data: unknown): void {
  process.stdout.write(output === 'table' ? text : asData(data, output));
}
