import { expect, test } from '@jest/globals';
import { errors } from 'oidc-provider';
import { quietRefusals } from '../../src/oidc/quiet-refusals.js';

test('a refusal of the protocol says why and not where, and is the error that it was; any other says both', () => {
  quietRefusals();
  quietRefusals();
  const refusal = new errors.InvalidToken('gone');
  expect(refusal).toBeInstanceOf(errors.OIDCProviderError);
  expect(refusal).toBeInstanceOf(Error);
  expect([refusal.message, refusal.statusCode, refusal.error_detail]).toEqual(['invalid_token', 401, 'gone']);
  expect(refusal.stack).not.toMatch(/\n\s+at /);
  const cause = new TypeError('of ours');
  expect(cause.stack).toMatch(/\n\s+at /);
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder);
  expect(holder.stack).toMatch(/\n\s+at /);
});
