import { expect, test } from '@jest/globals';
import { openMetrics } from '../../src/platform/telemetry/metrics.js';

test('what cannot be read now is left out, and the rest is told', async () => {
  const metrics = openMetrics('1.2.3');
  let answers = true;
  const ask = async () => {
    if (!answers) throw new Error('gone');
    return [[7]] as const;
  };
  const watched = { kind: 'gauge', help: 'One.' } as const;
  metrics.watch({ ...watched, name: 'from_the_database', of: 'database', read: ask });
  metrics.watch({ ...watched, name: 'never', read: () => new Promise(() => undefined) });
  metrics.watch({ ...watched, name: 'pools', labels: ['pool'], read: () => [[3, { pool: 'a' }]] });
  metrics.watch({ ...watched, kind: 'counter', name: 'refusals_total', read: () => [[2]] });
  expect(await metrics.text()).toMatch(/^from_the_database 7$/m);
  answers = false;
  const text = await metrics.text();
  expect(text).not.toMatch(/^(from_the_database|never) /m);
  expect(text).toMatch(/^pools\{pool="a"\} 3$/m);
  expect(text).toMatch(/^refusals_total 2$/m);
  expect(text).toMatch(/^keyhold_build_info\{version="1\.2\.3",node="[\d.]+"\} 1$/m);
});
