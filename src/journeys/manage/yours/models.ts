import type { AccountFrame } from '../door.js';

/** `/account/data`: what somebody may do with all that is held about them, one section for each. */
export interface YourDataPage extends AccountFrame {}

/** The pages of this topic. */
export interface YourDataPages {
  readonly 'account/data': YourDataPage;
}
