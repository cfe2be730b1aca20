import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { createLogger as createWinston, format, transports } from 'winston';
import { errorCode } from './errors.js';
import { flushed } from './flushed.js';
import { LineBuffer } from './line-buffer.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Names and values that belong to a line; Errors among them are expanded. */
export type Fields = Readonly<Record<string, unknown>>;

export interface Logger {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** The same log with these fields on every line. */
  with(fields: Fields): Logger;
  /** Closes the log and resolves when every line has gone out, or after 2 s if nobody reads them. */
  close(): Promise<void>;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `plain` is for somebody who waits for a command: its name, and what it has to say. */
  readonly format: 'text' | 'json' | 'auto' | 'plain';
  /** The command's, for `plain`. */
  readonly name?: string;
  /** Standard error in a process: standard output belongs to what commands print. */
  readonly stream: Writable & { readonly isTTY?: boolean };
}

/** One line a record: JSON for machines, `time LEVEL message name=value …` for a person at a terminal. */
export function createLogger({ level, format: wanted, name = '', stream }: LoggerOptions): Logger {
  const asText = wanted === 'text' || (wanted === 'auto' && stream.isTTY === true);
  const lines = new LineBuffer(stream);
  const transport = new transports.Stream({ stream: lines, eol: '\n' });
  const winston = createWinston({
    level,
    format: format.combine(
      format((info) => ({ ...info, fields: expandFields(info['fields'], level === 'debug') }))(),
      format.timestamp({ format: turnTime() }),
      format.printf(({ timestamp, level: severity, message, fields }) =>
        wanted === 'plain'
          ? plainLine(name, String(message), toFields(fields))
          : asText
            ? textLine(String(timestamp), severity, String(message), toFields(fields))
            : JSON.stringify({ timestamp, level: severity, message, ...toFields(fields) }, jsonValue),
      ),
    ),
    transports: [transport],
  });

  // Fields travel in an object of their own: winston would glue a field called `message` to the line's.
  const bind = (bound: Fields): Logger => ({
    error: (message, fields) => void winston.log({ level: 'error', message, fields: { ...bound, ...fields } }),
    warn: (message, fields) => void winston.log({ level: 'warn', message, fields: { ...bound, ...fields } }),
    info: (message, fields) => void winston.log({ level: 'info', message, fields: { ...bound, ...fields } }),
    debug: (message, fields) => void winston.log({ level: 'debug', message, fields: { ...bound, ...fields } }),
    with: (fields) => bind({ ...bound, ...fields }),
    close: async () => {
      const handedOver = once(transport, 'finish');
      winston.end();
      await handedOver;
      lines.flush();
      await flushed(stream);
    },
  });
  return bind({});
}

/** The time as a line shows it, asked for once a turn of the event loop: what is logged together was done together. */
function turnTime(): () => string {
  let time: string | undefined;
  return () => {
    if (time === undefined) setImmediate(() => (time = undefined)).unref();
    return (time ??= new Date().toISOString());
  };
}

function toFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function expandFields(fields: unknown, withStack: boolean): Fields {
  return Object.fromEntries(
    Object.entries(toFields(fields)).map(([name, value]) => [
      name,
      value instanceof Error ? expandError(value, withStack) : value,
    ]),
  );
}

/**
 * An Error as plain data; JSON.stringify alone would print `{}`. The cause chain is followed to a fixed depth,
 * since a chain may be circular, and where a message does not quote its cause anyway.
 */
export function expandError(error: Error, withStack: boolean, depth = 5): Fields {
  const code = errorCode(error);
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(withStack && error.stack !== undefined ? { stack: error.stack } : {}),
    ...(error.cause instanceof Error && depth > 0 && (withStack || !error.message.includes(error.cause.message))
      ? { cause: expandError(error.cause, withStack, depth - 1) }
      : {}),
  };
}

function textLine(timestamp: string, level: string, message: string, fields: Fields): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${textValue(value)}`);
  return `${timestamp} ${level.toUpperCase().padEnd(5)} ${onOneLine(message)}${pairs.join('')}`;
}

/** Without what the message says itself. */
function plainLine(name: string, message: string, fields: Fields): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined && !(typeof value === 'string' && message.includes(value)))
    .map(([field, value]) => `${field}=${textValue(value)}`);
  return `${name}: ${onOneLine(message)}${pairs.length > 0 ? ` (${pairs.join(' ')})` : ''}`;
}

/** A message may quote what somebody wrote: a line of the log stays one line. */
function onOneLine(message: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is looked for
  return message.replaceAll(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/** Bare words stay bare; everything else is quoted so that a line stays one line. */
function textValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value, jsonValue) ?? String(value);
}

/** Counters of the kernel are bigints, which JSON has no notation for. */
function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
