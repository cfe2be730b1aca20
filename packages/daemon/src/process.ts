import { EventEmitter } from 'node:events';
import { CommandError, CONFIGURATION_CODE, errorCode, EXIT, isBug, toError } from './errors.js';
import { createLogger, type Logger } from './logger.js';
import type { commonOptions, CommandSpec, OptionsOf, Values } from './option-types.js';
import { parseOptions, type Environment } from './options.js';
import { Output, printAll, unwritten } from './output.js';

export interface CommandContext {
  /**
   * Aborts on the first SIGTERM or SIGINT, of an attended command also on SIGHUP and when nobody reads its output any
   * more: finish what is under way and return.
   */
  readonly signal: AbortSignal;
  /**
   * Calls back on every SIGHUP, which to a daemon means: read again what you read from files. Without anybody to call
   * it is only logged.
   */
  readonly onHangup: (callback: () => void) => void;
  readonly log: Logger;
  readonly operands: readonly string[];
}

/** What a command does once its options are known; a number it resolves to is the exit code. */
export type Main<S extends CommandSpec> = (options: OptionsOf<S>, context: CommandContext) => Promise<number | void>;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * The shell around a command: options, logger, signals, exit code. A second signal exits at once, with 128 + its
 * number, for whoever finds the orderly way too slow. What is printed and cannot be written is a failure of a command,
 * and ends an attended one; a daemon tells it and goes on.
 *
 * @returns the exit code, the log flushed; the caller passes it to `process.exit`, so that nothing left open
 *   keeps a finished command alive
 */
export async function runCommand<const S extends CommandSpec>(
  spec: S,
  argv: readonly string[],
  env: Environment,
  main: Main<S>,
): Promise<number> {
  // Who reads our log may go, and take neither the agent nor the traffic along.
  process.stderr.on('error', () => undefined);
  let parsed;
  try {
    parsed = await parseOptions(spec, argv, env);
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    process.stderr.write(`${spec.command}: ${thrown.message}\n`);
    if (thrown.exitCode === EXIT.usage) process.stderr.write(`Try '${spec.command} --help'.\n`);
    return thrown.exitCode;
  }
  if (parsed.kind === 'print') return await printAll(spec.command, `${parsed.text}\n`);

  // Seen through the options every command shares: a conditional type over S does not resolve here.
  const { logLevel, logFormat, debug } = parsed.options as Values<typeof commonOptions>;
  const attended = spec.attended === true;
  const log = createLogger({
    level: debug ? 'debug' : logLevel,
    format: attended && logFormat === 'auto' ? 'plain' : logFormat,
    name: spec.command,
    stream: process.stderr,
  });
  const { options, operands } = parsed;
  const stop = new AbortController();
  const output = new Output(process.stdout, (failure) => {
    if (failure !== undefined) log.error(unwritten(failure), { code: errorCode(failure) });
    if (attended) stop.abort();
  });
  const code = await supervise(log, attended, stop, (received) => main(options, { ...received, log, operands }));
  const isIncomplete = (await output.end()) !== undefined;
  await log.close();
  // A daemon that was told to stop has done what it is for.
  return isIncomplete && (attended || !stop.signal.aborted) ? code || EXIT.failed : code;
}

type Received = Pick<CommandContext, 'signal' | 'onHangup'>;

/** Runs to the end or to the first uncaught error, whichever comes first. */
async function supervise(
  log: Logger,
  attended: boolean,
  stop: AbortController,
  run: (received: Received) => Promise<number | void>,
): Promise<number> {
  const onSignal = (name: keyof typeof SIGNALS) => {
    if (stop.signal.aborted) process.exit(128 + SIGNALS[name]);
    log.info('stopping', { signal: name });
    stop.abort();
  };
  const hangup = new EventEmitter<{ hangup: [] }>();
  const onHangup = () => {
    log.info(hangup.listenerCount('hangup') > 0 ? 'reading again' : 'nothing to read again', { signal: 'SIGHUP' });
    hangup.emit('hangup');
  };
  const bug = new AbortController();
  const onUncaught = (thrown: unknown) => bug.abort(toError(thrown));
  const uncaught = new Promise<never>((_, reject) => {
    bug.signal.addEventListener('abort', () => reject(toError(bug.signal.reason)));
  });

  // Unheard, SIGHUP would end the process.
  process
    .on('SIGINT', onSignal)
    .on('SIGTERM', onSignal)
    .on('SIGHUP', attended ? onSignal : onHangup);
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught);
  try {
    const received = { signal: stop.signal, onHangup: (call: () => void) => void hangup.on('hangup', call) };
    return (await Promise.race([run(received), uncaught])) ?? EXIT.ok;
  } catch (thrown) {
    return report(log, toError(thrown));
  } finally {
    process
      .off('SIGINT', onSignal)
      .off('SIGTERM', onSignal)
      .off('SIGHUP', attended ? onSignal : onHangup);
    process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught);
  }
}

function report(log: Logger, error: Error): number {
  const code = errorCode(error);
  if (error instanceof CommandError || code === CONFIGURATION_CODE) {
    log.error(error.message, error.cause === undefined ? {} : { cause: error.cause });
    return error instanceof CommandError ? error.exitCode : EXIT.configuration;
  }
  // Errors from outside carry a code.
  const outside = code !== undefined && !isBug(error);
  if (outside) log.error(error.message, { code, ...(error.cause === undefined ? {} : { cause: error.cause }) });
  else log.error('bug: uncaught error', { error, stack: error.stack });
  return EXIT.failed;
}
