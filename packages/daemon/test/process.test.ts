import { describe, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const library = new URL('../dist/index.js', import.meta.url).href;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a process whose command has this body, and `more` in its spec; `ready` is called when it logs `ready`. */
async function run(
  body: string,
  argv: readonly string[] = [],
  ready: (child: ChildProcess) => void = () => {},
  more = '',
): Promise<Ended> {
  const child = spawn(process.execPath, argumentsFor(body, argv, more), { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let told = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (told || !stderr.includes('"ready"')) return;
    told = true;
    ready(child);
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** For Node: the process of {@link run}. */
function argumentsFor(body: string, argv: readonly string[], more: string): readonly string[] {
  const script = `
    import { defineCommand, FailureError, runCommand, UsageError } from ${JSON.stringify(library)};
    const command = defineCommand({
      command: 'clusterf-test', summary: 'Tests.', version: '1.2.3',
      options: { weight: { type: 'integer', min: 0, max: 9, default: 1, group: 'g', describe: 'd' } },
      ${more}
    });
    process.exit(await runCommand(command, process.argv.slice(1), process.env, async (options, { signal, log, onHangup }) => {
      ${body}
    }));`;
  return ['--input-type=module', '--eval', script, '--', ...argv];
}

const FOREVER = `const idle = setInterval(() => {}, 1000); log.info('ready');`;

describe('exit codes', () => {
  test('0 when the command is done, its log on standard error and complete', async () => {
    const { code, stdout, stderr } = await run(`for (let i = 0; i < 20000; i += 1) log.info('line', { i });`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr.trim().split('\n')).toHaveLength(20_000);
  });

  test('what the command printed is complete too', async () => {
    const { stdout } = await run(`for (let i = 0; i < 20000; i += 1) process.stdout.write('line ' + i + '\\n');`);
    expect(stdout.trim().split('\n')).toHaveLength(20_000);
  });

  test('what the command resolves to', async () => {
    expect(await run('return options.weight;', ['--weight', '7'])).toMatchObject({ code: 7 });
  });

  test('0 and standard output for --help', async () => {
    const { code, stdout, stderr } = await run('', ['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('--weight');
  });

  test('2 and a hint for a bad command line', async () => {
    const { code, stderr } = await run('', ['--wait']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "clusterf-test: unknown option --wait\nTry 'clusterf-test --help'.\n",
    });
  });

  test('2 where the command itself finds options that do not go together', async () => {
    const { code, stderr } = await run(`throw new UsageError('--a needs --b');`);
    expect(code).toBe(2);
    expect(stderr).toContain('--a needs --b');
  });

  test('3 for a bad file, also where another package says so by its code', async () => {
    expect(await run('', ['--config', '/nonexistent.json'])).toMatchObject({ code: 3 });
    const { code } = await run(`throw Object.assign(new Error('bad URL'), { code: 'ERR_CONFIGURATION' });`);
    expect(code).toBe(3);
  });

  test('1 for a failure from outside, without a stack', async () => {
    const { code, stderr } = await run(`throw new FailureError('no', { cause: new Error('because') });`);
    expect(code).toBe(1);
    expect(stderr).toContain('because');
    expect(stderr).not.toContain('    at ');
  });

  test('1 for an error with a code, which comes from outside too', async () => {
    const { code, stderr } = await run(`(await import('node:fs')).readFileSync('/nonexistent');`);
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({
      message: "ENOENT: no such file or directory, open '/nonexistent'",
      code: 'ENOENT',
    });
    expect(stderr).not.toContain('    at ');
  });

  test('1 for a bug, with its stack, wherever it is thrown', async () => {
    for (const body of [
      `options.nothing.at.all;`,
      `(await import('node:fs')).readFileSync({});`,
      `setTimeout(() => options.nothing.at.all); await new Promise(() => setInterval(() => {}, 1000));`,
      `void (async () => options.nothing.at.all)(); await new Promise(() => setInterval(() => {}, 1000));`,
    ]) {
      const { code, stderr } = await run(body);
      expect(code).toBe(1);
      expect(JSON.parse(stderr)).toMatchObject({ level: 'error', stack: expect.stringContaining('TypeError') });
    }
  });
});

describe('signals', () => {
  const orderly = `${FOREVER} signal.addEventListener('abort', () => { clearInterval(idle); log.info('done'); });
    await new Promise((resolve) => signal.addEventListener('abort', resolve));`;

  test.each(['SIGTERM', 'SIGINT'] as const)('%s lets the command finish', async (name) => {
    const { code, stderr } = await run(orderly, [], (child) => child.kill(name));
    expect(code).toBe(0);
    expect(stderr).toContain('"done"');
  });

  test('a second one ends a command that does not', async () => {
    const stubborn = `${FOREVER} signal.addEventListener('abort', () => process.kill(process.pid, 'SIGINT'));
      await new Promise(() => {});`;
    const { code } = await run(stubborn, [], (child) => child.kill('SIGTERM'));
    expect(code).toBe(130);
  });

  test('SIGHUP is told to a command that listens for it, as often as it comes', async () => {
    let child: ChildProcess | undefined;
    const hears = `${FOREVER} let heard = 0;
      await new Promise((resolve) => onHangup(() => {
        heard += 1;
        log.info('heard');
        if (heard === 2) resolve();
        else process.kill(process.pid, 'SIGHUP');
      }));
      clearInterval(idle);`;
    const { code, stderr } = await run(hears, [], (started) => {
      child = started;
      started.kill('SIGHUP');
    });
    expect({ code, signal: child?.signalCode }).toEqual({ code: 0, signal: null });
    expect(stderr.match(/"reading again"/g)).toHaveLength(2);
    expect(stderr.match(/"heard"/g)).toHaveLength(2);
  });

  test('SIGHUP does not end a command that does not care, and is logged', async () => {
    const { code, stderr } = await run(orderly, [], (child) => {
      child.stderr?.on('data', (text: string) => {
        if (text.includes('"nothing to read again"')) child.kill('SIGTERM');
      });
      child.kill('SIGHUP');
    });
    expect(code).toBe(0);
    expect(stderr).toContain('"done"');
  });

  test('what a hangup does wrong is a bug, told with its stack', async () => {
    const fails = `${FOREVER} onHangup(() => options.nothing.at.all); await new Promise(() => {});`;
    const { code, stderr } = await run(fails, [], (child) => child.kill('SIGHUP'));
    expect(code).toBe(1);
    expect(stderr).toContain('TypeError');
  });
});

describe('a command that somebody looks on to', () => {
  const ATTENDED = 'attended: true,';
  const VERBOSE = ['--log-level', 'info', '--log-format', 'json'];

  test('ends in order when their terminal hangs up', async () => {
    const looks = `${FOREVER} await new Promise((resolve) => signal.addEventListener('abort', resolve));
      clearInterval(idle);
      return 7;`;
    expect(await run(looks, VERBOSE, (child) => child.kill('SIGHUP'), ATTENDED)).toMatchObject({ code: 7 });
  });

  test('ends in order when nobody reads its output any more', async () => {
    const talks = `${FOREVER} const talk = setInterval(() => process.stdout.write('more'), 10);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      clearInterval(idle);
      clearInterval(talk);
      return 7;`;
    const { code, stderr } = await run(talks, VERBOSE, (child) => child.stdout?.destroy(), ATTENDED);
    expect(code).toBe(7);
    expect(stderr).not.toContain('standard output');
  });

  test('logs only what is wrong unless asked for more, in plain words without what they say already', async () => {
    const body = `log.info('fine'); log.warn('web\\nis wrong', { service: 'web', source: 'plan' });`;
    const { stderr } = await run(body, [], () => {}, ATTENDED);
    expect(stderr).toBe('clusterf-test: web\\nis wrong (source=plan)\n');
  });

  test('fails in plain words, and logs as daemons do where that is asked for', async () => {
    const body = `throw new FailureError('the tree cannot be read');`;
    expect(await run(body, [], () => {}, ATTENDED)).toMatchObject({
      code: 1,
      stderr: 'clusterf-test: the tree cannot be read\n',
    });
    const { stderr } = await run(body, ['--log-format', 'json'], () => {}, ATTENDED);
    expect(JSON.parse(stderr)).toMatchObject({ level: 'error', message: 'the tree cannot be read' });
  });
});

describe('output that cannot be written', () => {
  const ATTENDED = 'attended: true,';
  const FULL = 'clusterf-test: standard output: ENOSPC: no space left on device, write\n';

  const PRINTS = `for (let i = 0; i < 3; i += 1) {
    process.stdout.write('table');
    await new Promise((resolve) => setImmediate(resolve));
  }`;

  /** The same with standard output in a file, of which the shell says how large it may get. */
  async function runInto(
    path: string,
    body: string,
    options: { readonly argv?: readonly string[]; readonly more?: string; readonly limit?: string } = {},
  ) {
    const { argv = [], more = ATTENDED, limit = 'unlimited' } = options;
    await using file = await open(path, 'a');
    const words = ['-c', 'ulimit -f "$0"; exec "$@"', limit, process.execPath, ...argumentsFor(body, argv, more)];
    const child = spawn('sh', words, { stdio: ['ignore', file.fd, 'pipe'] });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = await once(child, 'close');
    return { code, stderr };
  }

  test('fails a command, with the reason', async () => {
    const body = `process.stdout.write('a result\\n');`;
    expect(await runInto('/dev/full', body)).toEqual({ code: 1, stderr: FULL });
    expect(await runInto('/dev/full', `${body} return 3;`)).toEqual({ code: 3, stderr: FULL });
    expect(await runInto('/dev/full', '', { argv: ['--help'] })).toEqual({ code: 1, stderr: FULL });
  });

  test('fails a command of which the beginning could be written', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clusterf-output-'));
    try {
      const path = join(directory, 'tree.yaml');
      // 16 blocks of 512 bytes, as a disk that fills up takes what it still can.
      const { code, stderr } = await runInto(path, `process.stdout.write('x'.repeat(20_000));`, { limit: '16' });
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: 'clusterf-test: standard output: EFBIG: file too large, write\n',
      });
      expect(await readFile(path, 'utf8')).toBe('x'.repeat(8192));
      await rm(path);
      expect(await runInto(path, `process.stdout.write('x'.repeat(20_000));`)).toEqual({ code: 0, stderr: '' });
      expect(await readFile(path, 'utf8')).toBe('x'.repeat(20_000));
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('ends a command that would go on', async () => {
    const talks = `const talk = setInterval(() => process.stdout.write('more'), 10);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      clearInterval(talk);`;
    expect(await runInto('/dev/full', talks)).toEqual({ code: 1, stderr: FULL });
  });

  test('does not end a daemon, which tells it once', async () => {
    const stopped = `${PRINTS}
      const idle = setInterval(() => {}, 1000);
      process.kill(process.pid, 'SIGTERM');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      clearInterval(idle);`;
    const { code, stderr } = await runInto('/dev/full', stopped, { more: '' });
    expect(code).toBe(0);
    expect(stderr.match(/standard output: ENOSPC/g)).toHaveLength(1);
    // It printed all that it was to do.
    expect(await runInto('/dev/full', PRINTS, { more: '' })).toMatchObject({ code: 1 });
  });
});
