export * from './addresses-to-bind.js';
export * from './arp.js';
export * from './interface-name.js';
export * from './state.js';
export * from './virtual-addresses.js';
