import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { launchChromium } from './chromium.js';
import type { TlsProxy } from './tls-proxy.js';

/** One Chromium for a test file, in which several people live apart. */
export interface TestBrowser {
  newPerson(options?: BrowserPersonOptions): Promise<BrowserPerson>;
  close(): Promise<void>;
}

/** A passkey with its key, as a keeper carries it from one device to another. */
export type CarriedPasskey = Awaited<ReturnType<typeof keptOn>>[number];

export interface BrowserPersonOptions {
  readonly locale?: string;
  readonly dark?: boolean;
  readonly width?: number;
  readonly scripts?: boolean;
  /** Whether this person's device can keep passkeys; it can unless told otherwise. */
  readonly passkeys?: boolean;
  /** Whether the device's passkeys are kept with an account of its keeper; they are unless told otherwise. */
  readonly synced?: boolean;
  readonly userAgent?: string;
}

/** Somebody with a browser of their own and a device that keeps passkeys. */
export interface BrowserPerson {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What scripts and the policy of the pages complained about; a good journey leaves it empty. */
  readonly complaints: readonly string[];
  /** How many passkeys the device keeps. */
  passkeyCount(): Promise<number>;
  /** The passkeys come to another device by the account of their keeper. */
  carryPasskeysTo(other: BrowserPerson): Promise<void>;
  /** A device is given passkeys that came along. */
  takePasskeys(passkeys: readonly CarriedPasskey[]): Promise<void>;
  /** Whether the person answers the device's question for a finger or face. */
  answersPasskeys(answers: boolean): Promise<void>;
  /** What axe finds wrong with the page for people who use assistive technology, in words. */
  accessibilityProblems(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Opens a browser; with a proxy, `hosts` (a pattern such as `*.keyhold.test`) lead to it and its certificate is good. */
export async function openBrowser(tls?: {
  readonly proxy: TlsProxy;
  readonly hosts: string;
}): Promise<TestBrowser> {
  const switches = tls
    ? [
        `--host-resolver-rules=MAP ${tls.hosts} 127.0.0.1:${tls.proxy.port}`,
        `--ignore-certificate-errors-spki-list=${tls.proxy.spki}`,
      ]
    : [];
  const browser = await launchChromium(switches);
  return { newPerson: options => newPerson(browser, options ?? {}), close: () => browser.close() };
}

async function newPerson(browser: Browser, options: BrowserPersonOptions): Promise<BrowserPerson> {
  const context = await browser.newContext({
    locale: options.locale ?? 'en-GB',
    colorScheme: options.dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    ...(options.userAgent && { userAgent: options.userAgent }),
    viewport: { width: options.width ?? 1000, height: 800 },
    javaScriptEnabled: options.scripts ?? true,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', error => complaints.push(`${page.url()}: ${error.message}`));
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(`${page.url()}: ${message.text()}`);
  });
  const device = await context.newCDPSession(page);
  const authenticatorId =
    options.passkeys === false ? undefined : await plugIn(device, options.synced ?? true);
  return {
    page,
    context,
    complaints,
    passkeyCount: async () => {
      if (!authenticatorId) return 0;
      return (await keptOn(device, authenticatorId)).length;
    },
    carryPasskeysTo: async other => {
      if (!authenticatorId) throw new Error('this person has no device for passkeys');
      await other.takePasskeys(await keptOn(device, authenticatorId));
    },
    takePasskeys: async passkeys => {
      if (!authenticatorId) throw new Error('this person has no device for passkeys');
      for (const credential of passkeys)
        await device.send('WebAuthn.addCredential', { authenticatorId, credential });
    },
    answersPasskeys: async enabled => {
      if (!authenticatorId) throw new Error('this person has no device for passkeys');
      await device.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
    },
    accessibilityProblems: () => findAccessibilityProblems(page),
    close: () => context.close(),
  };
}

async function keptOn(device: CDPSession, authenticatorId: string) {
  return (await device.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
}

async function plugIn(device: CDPSession, synced: boolean): Promise<string> {
  await device.send('WebAuthn.enable');
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      defaultBackupEligibility: synced,
      defaultBackupState: synced,
    },
  });
  return authenticatorId;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/* All that passed as well would be ten times as much to gather and to send. */
const VIOLATIONS = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.map(({ id, help, nodes }) => id + ': ' + help + ': ' + nodes.map(node => node.html).join(' ')))`;

async function findAccessibilityProblems(page: Page): Promise<readonly string[]> {
  // Evaluated through the debugger, so that the page's own policy stays as strict as it is; read once for each document.
  if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(AXE);
  return (await page.evaluate(VIOLATIONS)) as readonly string[];
}
