import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const packed = join(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')), '../..');

// The machine's own fonts where it has any, and one family for where it has none.
const FONTS = `<?xml version="1.0"?>
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
</fontconfig>
`;

/** Starts the Chromium of the npm registry; `switches` come on top. */
export async function launchChromium(switches: readonly string[]): Promise<Browser> {
  const home = await unpacked();
  const start = (env: Record<string, string>) =>
    chromium.launch({
      executablePath: join(home, 'chromium'),
      args: ['--no-sandbox', '--disable-dev-shm-usage', ...switches],
      env: { ...process.env, FONTCONFIG_FILE: join(home, 'keyhold-fonts.conf'), ...env },
    });
  try {
    return await start({});
  } catch (error) {
    if (!/error while loading shared libraries/.test(String(error))) throw error;
    // A slim machine lacks NSS; the package brings it.
    return start({ LD_LIBRARY_PATH: join(home, 'al2023/lib') });
  }
}

/**
 * The folder of the unpacked browser, made once. Several test files may come here at the same time, so it is made
 * aside and then moved into place: nobody runs a browser that is only half written.
 */
async function unpacked(): Promise<string> {
  const home = join(packed, 'unpacked');
  if (existsSync(home)) return home;
  const aside = await mkdtemp(`${home}-`);
  const script = "await (await import('@sparticuz/chromium')).default.executablePath()";
  // It unpacks into the system's temporary folder, and its libraries only where it believes to be on AWS.
  const env = { ...process.env, TMPDIR: aside, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' };
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { cwd: packed, env });
  await writeFile(join(aside, 'keyhold-fonts.conf'), FONTS);
  await rename(aside, home).catch(async error => {
    await rm(aside, { recursive: true });
    if (!existsSync(home)) throw error;
  });
  return home;
}
