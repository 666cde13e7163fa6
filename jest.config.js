export default {
  rootDir: 'dist/test',
  testMatch: ['**/*.test.js'],
  transform: {},
  testTimeout: 30_000,
  maxWorkers: 2,
  /* What a file imports is not given back: a worker had four gigabytes by the end, and spent its time on them. */
  workerIdleMemoryLimit: '1200MB',
  globalSetup: '<rootDir>/support/global-setup.js',
  globalTeardown: '<rootDir>/support/global-teardown.js',
};
