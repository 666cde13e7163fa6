import { existsSync, readdirSync } from 'node:fs';

/* The compiler leaves what it once made of a test that is gone. */
const left = readdirSync(new URL('dist/test/', import.meta.url), { recursive: true })
  .filter(file => file.endsWith('.test.js'))
  .filter(file => !existsSync(new URL(`test/${file.replace(/js$/, 'ts')}`, import.meta.url)));

export default {
  rootDir: 'dist/test',
  testMatch: ['**/*.test.js'],
  testPathIgnorePatterns: [
    '/node_modules/',
    ...left.map(file => `/dist/test/${file.replaceAll('.', '\\.')}$`),
  ],
  transform: {},
  testTimeout: 30_000,
  maxWorkers: 2,
  /* What a file imports is not given back: a worker had four gigabytes by the end, and spent its time on them. */
  workerIdleMemoryLimit: '1200MB',
  globalSetup: '<rootDir>/support/global-setup.js',
  globalTeardown: '<rootDir>/support/global-teardown.js',
};
