export { HAIRPIN_PORTS } from './hairpin-ports.js';
export { checkMasquerade, type Masquerade, MASQUERADE_SYSCTLS, type MasqueradeStatus } from './masquerade.js';
export { openMasquerade } from './open.js';
