import { expect, test } from '@jest/globals';
import { networkOf } from '../../src/platform/addresses.js';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['unknown', 'unknown'],
])('%s is counted with %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
