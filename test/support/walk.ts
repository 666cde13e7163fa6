import type { Page } from 'playwright-core';
import type { BrowserPerson } from './browser.js';
import { codeIn, type Mailbox } from './mailbox.js';

/** A password that no list knows. */
export const GOOD_PASSWORD = 'mild otters juggle nineteen lanterns';

/** What somebody does on Keyhold's pages in a browser, by the labels they see. */
export interface Walk {
  readonly page: Page;
  /** Waits for the page with this heading; throws when axe finds a barrier on it. */
  sees(heading: string): Promise<void>;
  fill(label: string, value: string): Promise<void>;
  press(button: string): Promise<void>;
  /** Types the code out of the newest mail to this address. */
  typeCode(email: string): Promise<void>;
  /** From "Create your account" to the page where a credential is chosen. */
  proveAddress(email: string): Promise<void>;
  signUpWithPassword(email: string, name?: string): Promise<void>;
  signUpWithPasskey(email: string, name?: string): Promise<void>;
  /** From "Sign in" through the password. */
  signInWithPassword(email: string): Promise<void>;
}

/** Walks a person through Keyhold's pages, each of which is looked at on the way. */
export function walk(person: BrowserPerson, mailbox: Mailbox): Walk {
  const { page } = person;
  const fill = (label: string, value: string) => page.getByLabel(label, { exact: true }).fill(value);
  const press = (button: string) => page.getByRole('button', { name: button, exact: true }).click();
  const sees = async (heading: string) => {
    await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
    const problems = await person.accessibilityProblems();
    if (problems.length > 0) throw new Error(`axe on "${heading}" (${page.url()}):\n${problems.join('\n')}`);
  };
  const typeCode = async (email: string) => {
    await fill('Code', codeIn(await mailbox.latest(email)));
    await press('Continue');
  };
  const proveAddress = async (email: string) => {
    await sees('Create your account');
    await fill('Email', email);
    await press('Continue');
    await sees('Check your email');
    await typeCode(email);
    await sees('Finish your account');
  };
  const introduce = async (name: string | undefined) => {
    if (name) await fill('Name (optional)', name);
    await page.getByLabel('I accept the terms').check();
  };
  return {
    page,
    sees,
    fill,
    press,
    typeCode,
    proveAddress,
    signUpWithPassword: async (email, name) => {
      await proveAddress(email);
      await introduce(name);
      await fill('Password', GOOD_PASSWORD);
      await press('Create account');
    },
    signUpWithPasskey: async (email, name) => {
      await proveAddress(email);
      await introduce(name);
      await press('Create a passkey');
    },
    signInWithPassword: async email => {
      await sees('Sign in');
      await fill('Email', email);
      await press('Continue');
      await sees('Enter your password');
      await fill('Password', GOOD_PASSWORD);
      await press('Sign in');
    },
  };
}
