/** A machine that did not start, or ended while something was running in it. */
export class MachineFailed extends Error {
  override readonly name = 'MachineFailed';
}

/** A command that did not end in time and was killed, with all that it had started. */
export class CommandTimedOut extends Error {
  override readonly name = 'CommandTimedOut';
}

/** A command that was to succeed and did not. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}
