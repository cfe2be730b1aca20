export { main } from './main.js';
export { command } from './options.js';
