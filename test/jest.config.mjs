/**
 * One configuration for every layer; a layer is a file name's last word but two:
 *   x.test.ts  x.etcd.test.ts  x.docker.test.ts  x.kernel.test.ts  x.lab.test.ts  x.e2e.test.ts  x.cluster.test.ts
 * test/run decides which layers run where. LAYER names the one to run.
 */
const LAYERS = ['etcd', 'docker', 'kernel', 'lab', 'e2e', 'cluster'];
const layer = process.env.LAYER ?? 'unit';

export default {
  rootDir: '..',
  roots: ['<rootDir>/packages', '<rootDir>/test'],
  testMatch: layer === 'unit' ? ['**/*.test.ts'] : [`**/*.${layer}.test.ts`],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    ...(layer === 'unit' ? [`\\.(${LAYERS.join('|')})\\.test\\.ts$`] : []),
  ],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: {
    '^@clusterf/([a-z-]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testEnvironment: 'node',
  injectGlobals: false,
  testTimeout: layer === 'unit' ? 10_000 : 120_000,
};
