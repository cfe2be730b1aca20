import { describe, expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { createLogger, type LoggerOptions } from '../src/logger.js';

class Lines extends Writable {
  text = '';
  writes = 0;
  readonly isTTY: boolean;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (chunk.length > 0) this.writes += 1;
    done();
  }
}

async function logged(
  write: (log: ReturnType<typeof createLogger>) => void,
  { isTTY = false, ...options }: Partial<LoggerOptions> & { isTTY?: boolean } = {},
): Promise<string> {
  const stream = new Lines(isTTY);
  const log = createLogger({ level: 'info', format: 'auto', stream, ...options });
  write(log);
  await log.close();
  return stream.text;
}

const failure = Object.assign(new Error('write failed', { cause: new Error('connection reset') }), { code: 'EPIPE' });

describe('JSON', () => {
  test('is written where there is no terminal, one object a line', async () => {
    const text = await logged((log) => {
      log.info('new destination', { service: 'web', weight: 10, connections: 5n });
      log.warn('second');
    });
    const [first, second, end] = text.split('\n');
    expect(JSON.parse(first ?? '')).toEqual({
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      message: 'new destination',
      service: 'web',
      weight: 10,
      connections: '5',
    });
    expect(JSON.parse(second ?? '')).toMatchObject({ level: 'warn', message: 'second' });
    expect(end).toBe('');
  });

  test('shows of an error its message, code and causes, and the stack at debug only', async () => {
    const info = JSON.parse(await logged((log) => log.error('failed', { error: failure })));
    expect(info.error).toEqual({ message: 'write failed', code: 'EPIPE', cause: { message: 'connection reset' } });
    const debug = JSON.parse(await logged((log) => log.error('failed', { error: failure }), { level: 'debug' }));
    expect(debug.error.stack).toContain('logger.test');
  });

  test('ends at a circular chain of causes', async () => {
    const circular = new Error('again');
    circular.cause = circular;
    expect(await logged((log) => log.error('failed', { error: circular }))).toContain('again');
  });

  test('a field called message or level does not change the line’s own', async () => {
    const line = JSON.parse(await logged((log) => log.with({ level: 'x' }).info('line', { source: 's' })));
    expect(line.message).toBe('line');
    const text = await logged((log) => log.info('line', { message: 'other' }), { format: 'text' });
    expect(text).toMatch(/INFO {2}line message=other\n$/);
  });
});

describe('text', () => {
  test('is written on a terminal, values quoted where they need it', async () => {
    const text = await logged(
      (log) => log.info('new backend', { name: 'web 1', port: 80, id: 'abc', none: undefined }),
      {
        isTTY: true,
      },
    );
    expect(text).toMatch(/^\S+Z INFO {2}new backend name="web 1" port=80 id=abc\n$/);
  });

  test('stays one line whatever a value holds', async () => {
    const text = await logged((log) => log.info('x', { error: new Error('a\nb'), value: 'c\nd' }), { format: 'text' });
    expect(text.match(/\n/g)).toHaveLength(1);
  });
});

test('lines below the level are not written', async () => {
  expect(await logged((log) => log.info('quiet'), { level: 'warn' })).toBe('');
});

test('fields bound to a logger are on every line', async () => {
  const line = JSON.parse(await logged((log) => log.with({ service: 'web' }).with({ port: 1 }).info('x', { port: 2 })));
  expect(line).toMatchObject({ service: 'web', port: 2 });
});

test('lines of one turn of the event loop go out in one write, without being waited for', async () => {
  const stream = new Lines(false);
  const log = createLogger({ level: 'info', format: 'json', stream });
  for (let line = 0; line < 1000; line += 1) log.info(`line ${line}`);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect({ lines: stream.text.split('\n').length - 1, writes: stream.writes }).toEqual({ lines: 1000, writes: 1 });
  await log.close();
});
