import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CommandFailed, CommandTimedOut, type Machine, MachineFailed, startMachine } from './index.js';

let machine: Machine;
beforeAll(async () => {
  machine = await startMachine({ name: 'under-test', memory: '256M' });
});
afterAll(async () => machine.stop());

describe('a machine', () => {
  test('has IPVS in its kernel, with every scheduler, and an empty table of its own', async () => {
    const table = await machine.output('ipvsadm -A -t 192.0.2.1:80 -s mh -b mh-port && ipvsadm -Sn && ipvsadm -C');
    expect(table).toBe('-A -t 192.0.2.1:80 -s mh -b mh-port\n');
    expect(await machine.output(['ipvsadm', '-Sn'])).toBe('');
  });

  test('has its own name and network, with loopback up in both families', async () => {
    expect(await machine.output('hostname; ip -br address')).toMatch(
      /^under-test\nlo +UNKNOWN +127\.0\.0\.1\/8 ::1\/128 *\n$/,
    );
  });

  test('tells what runs in it that it is a machine, and passes nothing else of the host on', async () => {
    const variables = await machine.output(['env'], { env: { EXTRA: "it's" } });
    expect(variables.split('\n')).toEqual(expect.arrayContaining(['CLUSTERF_LAB_MACHINE=under-test', "EXTRA=it's"]));
    expect(variables).not.toContain('JEST_WORKER_ID');
  });

  test('runs the project at its own path, unable to write to it', async () => {
    expect(await machine.output('pwd')).toBe(`${process.cwd()}\n`);
    const { status, stderr } = await machine.run(['touch', 'written']);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('Read-only file system') });
  });

  test('sees a file of the project that was changed while it runs', async () => {
    const path = join(process.cwd(), 'node_modules', '.cache-of-the-lab-test');
    try {
      for (const text of ['before', 'after, and longer']) {
        writeFileSync(path, text);
        expect(await machine.output(['cat', path])).toBe(text);
      }
    } finally {
      rmSync(path, { force: true });
    }
  });

  test('keeps what is written to its root to itself', async () => {
    await machine.output('echo inside >/etc/hostname');
    expect(readFileSync('/etc/hostname', 'utf8')).not.toBe('inside\n');
  });
});

describe('a command', () => {
  test('gives its status, output and errors apart', async () => {
    expect(await machine.run('echo out; echo err >&2; exit 3')).toMatchObject({
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await machine.run('kill -TERM $$')).toMatchObject({ status: 143 });
    expect(await machine.run(['no-such-program'])).toMatchObject({
      status: 127,
      stderr: expect.stringContaining('no-such'),
    });
  });

  test('gets its words as they are, whatever they hold', async () => {
    const words = ['', ' ', "it's", '"$HOME"', '*', 'two\nlines', 'ä'];
    expect(await machine.output(['printf', '%s|', ...words])).toBe(`${words.join('|')}|`);
  });

  test('reads its input and writes bytes that are no text', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    expect((await machine.run(['cat'], { input: bytes })).stdoutBytes.equals(bytes)).toBe(true);
    expect(await machine.output(['cat'])).toBe('');
  });

  test('shows its output while it runs', async () => {
    const seen: string[] = [];
    const answer = '/run/lab/answer';
    const running = machine.run(`echo question; until [ -e ${answer} ]; do sleep 0.02; done; echo end`, {
      onOutput: (text, stream) => {
        seen.push(`${stream}: ${text}`);
        if (seen.length === 1) void machine.run(['touch', answer]);
      },
    });
    expect((await running).stdout).toBe('question\nend\n');
    expect(seen).toEqual(['stdout: question\n', 'stdout: end\n']);
  });

  test('runs beside others', async () => {
    // Each waits for the other's word: one after the other they would never end.
    const [first, second] = await Promise.all(
      [['a', 'b'] as const, ['b', 'a'] as const].map(async ([mine, other]) =>
        machine.output(`touch /tmp/${mine}; until [ -e /tmp/${other} ]; do sleep 0.02; done; echo ${mine}`),
      ),
    );
    expect([first, second]).toEqual(['a\n', 'b\n']);
  });

  test('that hangs is killed with all it started, and its last words are told', async () => {
    const hanging = machine.run('setsid sleep 1234 & echo last words; wait', { timeout: 700 });
    const error: unknown = await hanging.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandTimedOut);
    expect(String(error)).toMatch(/under-test: killed after 0\.7 s: setsid sleep[^]*last words[^]*console/);
    expect(await machine.run(['pgrep', 'sleep'])).toMatchObject({ status: 1, stdout: '' });
  });

  test('is killed when its caller gives up', async () => {
    const reason = new Error('never mind');
    const controller = new AbortController();
    const running = machine.run('echo started; exec sleep 1234', {
      signal: controller.signal,
      onOutput: () => controller.abort(reason),
    });
    await expect(running).rejects.toBe(reason);
    expect(await machine.run(['pgrep', 'sleep'])).toMatchObject({ status: 1 });
  });

  test('that was to succeed tells what it said when it does not', async () => {
    const failing = machine.output('echo partly; echo no luck >&2; false');
    await expect(failing).rejects.toThrow(CommandFailed);
    await expect(failing).rejects.toThrow(/status 1[^]*partly[^]*no luck/);
  });

  test('may leave a daemon behind', async () => {
    await machine.output('sleep 1234 >/dev/null 2>&1 & echo $! >/tmp/daemon');
    expect(await machine.output('kill $(cat /tmp/daemon) && echo it lives')).toBe('it lives\n');
  });
});

test('files and directories are copied in and out, with their modes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'clusterf-copy-'));
  try {
    const program = join(directory, 'program');
    writeFileSync(program, '#!/bin/sh\necho ran\n', { mode: 0o755 });
    await machine.copyIn(program, '/root/program');
    expect(await machine.output(['/root/program'])).toBe('ran\n');

    await machine.output('mkdir -p /root/tree/deep && echo leaf >/root/tree/deep/leaf');
    await machine.copyOut('/root/tree', join(directory, 'tree'));
    expect(readFileSync(join(directory, 'tree/deep/leaf'), 'utf8')).toBe('leaf\n');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('two machines side by side have tables of their own', async () => {
  await using other = await startMachine({ name: 'other', memory: '256M' });
  await Promise.all([
    machine.output('ipvsadm -A -t 192.0.2.1:1 -s rr'),
    other.output('ipvsadm -A -t 192.0.2.2:2 -s rr'),
  ]);
  expect(await machine.output('ipvsadm -Sn && ipvsadm -C')).toBe('-A -t 192.0.2.1:1 -s rr\n');
  expect(await other.output('ipvsadm -Sn')).toBe('-A -t 192.0.2.2:2 -s rr\n');
});

test('a machine that ends by itself says so to whoever waits, with the end of its console', async () => {
  await using doomed = await startMachine({ name: 'doomed', memory: '256M', kind: 'uml' });
  const waiting = doomed.run('echo c >/proc/sysrq-trigger; sleep 1234');
  await expect(waiting).rejects.toThrow(MachineFailed);
  await expect(waiting).rejects.toThrow(/doomed ended by itself[^]*sysrq/i);
  await expect(doomed.run(['true'])).rejects.toThrow(MachineFailed);
});

test('a machine that does not come up says why', async () => {
  await expect(startMachine({ name: 'tiny', memory: '1M', kind: 'uml' })).rejects.toThrow(/Machine tiny[^]*console/);
  await expect(startMachine({ name: 'No Name' })).rejects.toThrow('machine name "No Name": expected');
  await expect(startMachine({ name: 'odd', memory: 'much', kind: 'uml' })).rejects.toThrow(
    'machine memory "much": expected',
  );
});
