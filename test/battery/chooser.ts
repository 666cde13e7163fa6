import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Place } from './place.js';

/** The tests of several people in one browser, the ones that look at cookies and the engine among them. */
const FILES = ['dist/test/oidc/people', 'dist/test/journeys/choose-account'];

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** How the tests came out. */
export interface ChooserResult {
  readonly passed: number;
  readonly problems: readonly string[];
}

/** Runs the tests of the chooser once more, each Keyhold being two processes on a slow database. */
export async function runChooser(place: Place): Promise<ChooserResult> {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const file = join(place.folder, 'chooser.json');
  const jest = 'node_modules/jest/bin/jest.js';
  const options = ['--runInBand', '--testTimeout=120000', '--json', `--outputFile=${file}`];
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--experimental-vm-modules', jest, ...options, ...FILES],
    { cwd: root, stdio: 'ignore', env: { ...process.env, KEYHOLD_TEST_PAIR: 'yes' } },
  );
  await new Promise(resolve => child.once('close', resolve));
  const report = JSON.parse(await readFile(file, 'utf8')) as Report;
  await rm(file);
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
  );
  const broken = report.numRuntimeErrorTestSuites;
  return {
    passed: report.numPassedTests,
    problems: [...failed, ...(broken > 0 ? [`${broken} files did not run`] : [])],
  };
}
