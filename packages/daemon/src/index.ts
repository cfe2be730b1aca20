export * from './backoff.js';
export * from './clock.js';
export * from './duration.js';
export * from './errors.js';
export * from './http.js';
export * from './http-listen.js';
export * from './logger.js';
export { manPage, type ManPageOptions } from './man-page.js';
export * from './metrics.js';
export {
  commonOptions,
  defineCommand,
  type CommandSpec,
  type Option,
  type OptionSpecs,
  type OptionsOf,
  type Values,
} from './option-types.js';
export * from './options.js';
export { printAll } from './output.js';
export { ProblemLog } from './problem-log.js';
export * from './process.js';
export * from './reconcile.js';
export { type Block, manualPage, type Page, type Section } from './roff.js';
