import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { availableKind, hostRunsContainers, projectRoot, startMachine } from '../lab/index.js';
import { type Layer, LAYERS } from './layers.js';
import { decodeReport, type TestReport } from './report.js';
import { type LayerResult, seconds } from './summary.js';

export interface LayerOptions {
  readonly jestArguments: readonly string[];
  /** Whether skipped tests fail the layer. */
  readonly strict: boolean;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

type OutputStream = 'stdout' | 'stderr';

/** One run of a command somewhere: its output goes to `onOutput`; its exit status comes back. */
type Run = (
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  onOutput: (text: string, stream: OutputStream) => void,
  signal: AbortSignal,
) => Promise<number>;

/** Of a machine. Only what is used is taken from the host. */
const DEFAULT_MEMORY = '1024M';
/** A whole cluster, dockerd included: with less the kernel reads its programs again and again. */
const MEMORY: Partial<Record<Layer, string>> = { cluster: '1536M', e2e: '1536M' };

/** No layer takes longer than this unless it hangs. */
const LAYER_DEADLINE = 40 * 60_000;

/** Runs one layer's jest where it belongs and collects what it reports. Throws nothing: what goes wrong is in the result. */
export async function runLayer(layer: Layer, options: LayerOptions): Promise<LayerResult> {
  const { jestArguments, strict, signal, print } = options;
  const began = performance.now();
  const tests: TestReport[] = [];
  const lines = { stdout: '', stderr: '' };
  const onLine = (line: string): void => {
    const report = decodeReport(line);
    if (report === undefined) {
      if (line.trim() !== '') print(`${layer} | ${line}`);
      return;
    }
    // With a filter, jest counts what it filtered out as skipped.
    if (report.status === 'skipped' && jestArguments.length > 0) return;
    const judged = strict && report.status === 'skipped' ? failedForSkipping(report) : report;
    tests.push(judged);
    // Hundreds of pure tests pass within seconds: only the others are worth a line each.
    if (layer === 'unit' && judged.status === 'passed') return;
    const mark = { passed: '✓', failed: '✗', skipped: '–' }[judged.status];
    print(`${layer} ${mark} ${judged.title} (${seconds(judged.milliseconds)})`);
  };
  const onOutput = (text: string, stream: OutputStream): void => {
    const [...complete] = (lines[stream] + text).split('\n');
    lines[stream] = complete.pop() ?? '';
    for (const line of complete) onLine(line);
  };
  print(`${layer}: started`);
  const run = LAYERS[layer] === 'host' ? runOnHost : runInMachine(layer, print);
  const env = { LAYER: layer, CI: process.env['CI'] ?? '' };
  let failure: string | undefined;
  try {
    const status = await run(jestCommand(layer, jestArguments), env, onOutput, signal);
    for (const rest of Object.values(lines)) onLine(rest);
    failure = verdict(status, tests, jestArguments.length > 0);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  const milliseconds = performance.now() - began;
  print(`${layer}: ended after ${seconds(milliseconds)}`);
  return { layer, tests, milliseconds, ...(failure === undefined ? {} : { failure }) };
}

/** What is wrong with a layer beyond its failed tests. */
function verdict(status: number, tests: readonly TestReport[], isFiltered: boolean): string | undefined {
  if (status !== 0 && tests.every((test) => test.status !== 'failed')) {
    return `jest ended with status ${status}, though no test failed`;
  }
  return tests.length === 0 && !isFiltered ? 'no test ran, though there are files' : undefined;
}

function failedForSkipping(report: TestReport): TestReport {
  return { ...report, status: 'failed', message: 'skipped, and CI skips nothing' };
}

function jestCommand(layer: Layer, jestArguments: readonly string[]): string[] {
  const root = projectRoot();
  return [
    process.execPath,
    // jest runs ES modules by an interface that Node calls experimental, and says so for every worker.
    '--no-warnings',
    '--experimental-vm-modules',
    join(root, 'node_modules/jest/bin/jest.js'),
    `--config=${join(root, 'test/jest.config.mjs')}`,
    `--reporters=${join(root, 'test/dist/run/reporter.js')}`,
    `--cacheDirectory=${join(root, 'node_modules/.cache/jest', layer)}`,
    // Pure tests may share the cores; all others share ports, machines and clocks.
    layer === 'unit' ? '--maxWorkers=2' : '--runInBand',
    ...(jestArguments.length === 0 ? [] : ['--passWithNoTests', ...jestArguments]),
  ];
}

async function runOnHost(...[[program = '', ...words], env, onOutput, signal]: Parameters<Run>): Promise<number> {
  const child = spawn(program, words, {
    cwd: projectRoot(),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(LAYER_DEADLINE)]),
    killSignal: 'SIGKILL',
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => onOutput(text, stream));
  }
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function runInMachine(layer: Layer, print: (line: string) => void): Run {
  return async (command, env, onOutput, signal) => {
    const kind = LAYERS[layer] === 'containers' && hostRunsContainers() ? 'native' : availableKind();
    const memory = MEMORY[layer] ?? DEFAULT_MEMORY;
    await using machine = await startMachine({ name: `test-${layer}`, kind, memory, signal, log: print });
    const { status } = await machine.run(command, { env, onOutput, signal, timeout: LAYER_DEADLINE });
    return status;
  };
}
