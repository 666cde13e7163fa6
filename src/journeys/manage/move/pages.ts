import type { AccountPage } from '../door.js';
import { ANSWER_PAGES } from './answer.js';
import { BEGIN_PAGES } from './begin.js';
import { RETIRE_PAGES } from './retire.js';

/** All pages of the old phone in a move to a new one. */
export const MOVE_PAGES: readonly AccountPage[] = [...BEGIN_PAGES, ...ANSWER_PAGES, ...RETIRE_PAGES].map(
  page => ({ ...page, within: 'sign_in' }),
);
