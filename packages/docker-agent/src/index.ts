export * from './agent.js';
export * from './container.js';
export { connectDocker } from './docker.js';
export { explainContainer } from './explain-container.js';
export * from './explain-text.js';
export * from './explain.js';
export * from './labels.js';
export * from './registrations.js';
export { main } from './main.js';
