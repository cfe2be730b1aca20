/** Of all that is installed together. */
export const VERSION = '0.1.0';
