export { CommandFailed, CommandTimedOut, MachineFailed } from './errors.js';
export type { Command, OutputStream, RunOptions, RunResult } from './job.js';
export { availableKind, hostRunsContainers, type MachineKind } from './kind.js';
export { type Machine, type MachineOptions, startMachine } from './machine.js';
export { projectRoot } from './project.js';
export { requireMachine } from './requireMachine.js';
