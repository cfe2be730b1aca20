export * from './configuration-error.js';
export * from './registrations.js';
export * from './source.js';
export * from './url.js';
export * from './etcd-flags.js';
