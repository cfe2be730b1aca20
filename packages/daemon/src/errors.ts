/**
 * Errors that end a command in an orderly way. Anything else that reaches `runCommand` without a `code` is
 * taken for a bug and logged with its stack.
 */
import { types } from 'node:util';

export const EXIT = { ok: 0, failed: 1, usage: 2, configuration: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export abstract class CommandError extends Error {
  abstract readonly exitCode: ExitCode;
}

/** The command line (or the environment, its stand-in) does not make sense: exit code 2. */
export class UsageError extends CommandError {
  override readonly name = 'UsageError';
  readonly exitCode = EXIT.usage;
}

/** Marks a configuration error of a package that knows nothing of commands; `runCommand` treats it as one. */
export const CONFIGURATION_CODE = 'ERR_CONFIGURATION';

/** A configuration file, or something else the operator wrote down, is wrong: exit code 3. */
export class ConfigurationError extends CommandError {
  override readonly name = 'ConfigurationError';
  readonly code = CONFIGURATION_CODE;
  readonly exitCode = EXIT.configuration;
}

/** What was asked for could not be done, and that is nobody's bug: exit code 1, logged without a stack. */
export class FailureError extends CommandError {
  override readonly name = 'FailureError';
  readonly exitCode = EXIT.failed;
}

/** Wraps whatever was thrown, so that the rest of the code deals in Errors only. */
export function toError(thrown: unknown): Error {
  // Node's own errors are of another realm where jest runs us.
  return thrown instanceof Error || types.isNativeError(thrown) ? thrown : new Error(String(thrown));
}

/**
 * Whether only a mistake in the program raises such an error, be it ours or Node's complaint about us. Retrying is
 * no use then: let it end the process.
 */
export function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

/** The `code` that Node, gRPC and our own clients put on errors that come from outside, as text. */
export function errorCode(error: Error): string | undefined {
  if (!('code' in error)) return undefined;
  return typeof error.code === 'string' || typeof error.code === 'number' ? String(error.code) : undefined;
}

/** Whether a signal was aborted since something failed, which is then its reason, and not to have its listeners end in order. */
export function isAbortedByFailure({ aborted, reason }: AbortSignal): boolean {
  const thrown: unknown = reason;
  // By its name: where jest runs us, it is an error of another realm.
  const plain = typeof thrown === 'object' && thrown !== null && 'name' in thrown && thrown.name === 'AbortError';
  return aborted && !plain;
}
