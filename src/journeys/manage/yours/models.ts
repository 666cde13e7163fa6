import type { CopyPages, CopySection } from '../copies/models.js';
import type { AccountFrame } from '../door.js';
import type { ImportPages } from '../imports/models.js';
import type { RightsPages } from '../rights/models.js';

/** `/account/data`: what somebody may do with all that is held about them, one section for each. */
export interface YourDataPage extends AccountFrame {
  readonly copy: CopySection;
  /** Something is made at the moment: where no scripts run, the page is loaded anew after so many seconds. */
  readonly refresh?: number;
  /** The account is to be deleted, and that has not begun. */
  readonly leaving: boolean;
}

/** The pages of this topic. */
export interface YourDataPages extends CopyPages, ImportPages, RightsPages {
  readonly 'account/data': YourDataPage;
}
