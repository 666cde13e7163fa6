import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { standardSchema } from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import { runProfile } from '../../src/profile-commands.js';
import { until } from './jobs.js';
import type { TestKeyhold } from './keyhold.js';

/** A declaration as an operator writes it. */
export interface Draft {
  version: number;
  purposes: Record<string, unknown>[];
  attributes: Record<string, unknown>[];
}

/** Runs `keyhold profile …` and gives its exit code and all it said. */
export async function profileCommand(keyhold: TestKeyhold, ...words: string[]) {
  const said = { out: '', err: '' };
  const { issuer, secret } = keyhold.config;
  const telling = {
    issuer,
    keyring: openKeyring(secret),
    renderer: openRenderer(openWords()),
    rp: { name: 'Keyhold' },
  };
  const code = await runProfile(words, {
    db: keyhold.db,
    telling,
    print: text => {
      said.out += text;
    },
    fail: text => {
      said.err += `${text}\n`;
    },
  });
  return { code, ...said };
}

/** Applies the shipped declaration with these attributes beside it, and waits until they are claims of the server. */
export async function declareAttributes(
  keyhold: TestKeyhold,
  attributes: readonly Record<string, unknown>[],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'keyhold-profile-'));
  const file = JSON.parse(standardSchema().text) as Draft;
  file.attributes.push(...attributes);
  await writeFile(join(folder, 'profile.json'), JSON.stringify(file));
  const { code, err } = await profileCommand(keyhold, 'apply', join(folder, 'profile.json'));
  await rm(folder, { recursive: true });
  if (code !== 0) throw new Error(err);
  const last = attributes.findLast(({ see }) => (see as string[]).includes('apps'))?.['name'];
  await until(async () => {
    const answer = await fetch(`${keyhold.origin}/.well-known/openid-configuration`);
    const { claims_supported: claims } = (await answer.json()) as { claims_supported: string[] };
    return last === undefined || claims.includes(String(last));
  });
}
