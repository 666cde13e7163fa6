import type { AccountFrame } from '../door.js';
import type { ShownValue } from '../profile/models.js';

/** Why what was sent cannot be read: `import_problem.<word>`. */
export type ImportWord = 'missing' | 'too_large' | 'no_copy' | 'altered' | 'blocked';

/** A value that was brought, beside the one that is there. */
export interface Offer {
  readonly name: string;
  readonly label: string;
  readonly now?: ShownValue;
  readonly next: ShownValue;
  readonly isPicture: boolean;
}

/** What was brought, and what would become of it. */
export interface Brought {
  readonly issuer: string;
  readonly madeAt: Date;
  /** Posts `take`, each that is ticked, to `/account/data/import/take`. */
  readonly offers: readonly Offer[];
  /** What is here already, in the same words. */
  readonly same: readonly string[];
  /** What this place does not hold, or does not let its person change. */
  readonly refused: readonly string[];
  readonly emails: readonly string[];
  readonly phones: readonly string[];
  /** Names of topics that there are here too, and are not wanted yet. */
  readonly topics: readonly string[];
  readonly consents: number;
}

/** `/account/data/import`: posts a file `copy` to itself. */
export interface ImportPage extends AccountFrame {
  readonly megabytes: number;
  readonly problem?: ImportWord;
  readonly brought?: Brought;
}

/** The pages of this topic. */
export interface ImportPages {
  readonly 'account/import': ImportPage;
}
