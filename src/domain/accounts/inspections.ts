import type { Work } from '../../platform/storage/work.js';

/** Why somebody who runs the service may look at what is known about a person: a code, which the person is shown in words. */
export const INSPECTION_PURPOSES = ['support', 'correction', 'security', 'fraud', 'legal'] as const;

/** Such a purpose. */
export type InspectionPurpose = (typeof INSPECTION_PURPOSES)[number];

/** A look at what is known about somebody. */
export interface Inspection {
  readonly purpose: InspectionPurpose;
  /** Attributes whose values were seen as they are; all others were masked. */
  readonly seen: readonly string[];
  /** A team and a case, as codes that say nothing about anybody. */
  readonly team?: string | undefined;
  readonly reference?: string | undefined;
}

/** Puts a look on record before anything is shown; the person finds it in their history. */
export function noteInspection(work: Work, accountId: string, inspection: Inspection): void {
  const { purpose, seen, team, reference } = inspection;
  work.record({
    type: 'account.inspected',
    accountId,
    detail: {
      purpose,
      seen,
      ...(team !== undefined && { team }),
      ...(reference !== undefined && { reference }),
    },
  });
}
