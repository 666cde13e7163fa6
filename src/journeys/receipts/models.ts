import type { Problem } from '../page-models.js';
import type { CheckFault } from './check.js';

/** `/receipts/verify`: posts a file `receipt`. */
export interface VerifyReceiptPage {
  readonly problems?: readonly Problem[];
  readonly kilobytes: number;
}

/** What a statement about a deletion says, in short. */
export interface StatementResult {
  readonly id: string;
  /** A word under `deletion.*`. */
  readonly state: 'under_way' | 'finished';
  readonly askedAt: Date;
  readonly issuedAt: Date;
}

/** What came of a check. */
export type ReceiptResultPage =
  | { readonly fault: CheckFault }
  | { readonly fault?: undefined; readonly statement: StatementResult }
  | {
      readonly fault?: undefined;
      readonly statement?: undefined;
      readonly app: string;
      /** A kind of event, `receipt.event.<word>`. */
      readonly event: string;
      readonly happenedAt: Date;
      readonly issuedAt: Date;
      readonly purposes: readonly string[];
      readonly allowed: readonly string[];
      readonly refused: readonly string[];
      readonly subject: string;
    };

/** The pages about receipts that anybody may use. */
export interface ReceiptPages {
  readonly 'receipts/verify': VerifyReceiptPage;
  readonly 'receipts/result': ReceiptResultPage;
}
