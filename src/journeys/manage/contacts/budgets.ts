import type { ReadPhone } from '../../../domain/contacts/contacts.js';
import { type Limit, listReadable } from '../../../domain/protection/protection.js';
import type { Db } from '../../../platform/storage/db.js';

const NAME = 'sms';
const HOUR = 3_600;
const DAY = 86_400;

/** For whom a text message is to leave. */
export interface SmsAsked {
  readonly phone: ReadPhone;
  readonly accountId: string;
  readonly network: string;
}

/** What a budget is for: those of numbers, accounts and networks are kept as digests, and nobody can read them. */
type BudgetPer = 'prefix' | 'country' | 'all';

/* Where messages are sold on, whoever earns by them holds a few thousand numbers in a row in one country. */
const MAX: Readonly<Record<BudgetPer, (perDay: number) => number>> = {
  prefix: perDay => Math.max(10, Math.ceil(perDay / 10)),
  country: perDay => Math.max(20, Math.ceil(perDay / 2)),
  all: perDay => perDay,
};

/** The budgets that a text message is counted against, the narrowest first; each heals when its window is over. */
export function smsLimits({ phone, accountId, network }: SmsAsked, perDay: number): readonly Limit[] {
  const limit = (per: string, subject: string, max: number, window = DAY): Limit => {
    return { name: NAME, per, subject, max, window };
  };
  const open = (per: BudgetPer, subject: string): Limit => {
    return { ...limit(per, subject, MAX[per](perDay)), readable: true };
  };
  return [
    limit('number', phone.number, 5),
    limit('account', accountId, 10),
    limit('network', network, 20, HOUR),
    open('prefix', prefixOf(phone)),
    open('country', phone.country ?? `+${phone.callingCode}`),
    open('all', 'all'),
  ];
}

/* The calling code and the first three digits behind it: an operator, or part of a town. */
function prefixOf({ number, callingCode }: ReadPhone): string {
  return number.slice(0, 1 + callingCode.length + 3);
}

/** How much of a budget is used. */
export interface SmsBudget {
  readonly per: BudgetPer;
  readonly of: string;
  readonly used: number;
  readonly max: number;
  /** From then on it is whole again. */
  readonly until: Date;
}

/** The budgets that anything was taken from, the fullest first. */
export async function listSmsBudgets(db: Db, perDay: number): Promise<readonly SmsBudget[]> {
  const counts = await listReadable(db, NAME);
  const budgets = counts.flatMap(({ per, subject, count, until }) =>
    isBudget(per) ? [{ per, of: subject, used: count, max: MAX[per](perDay), until }] : [],
  );
  return budgets.sort((a, b) => b.used / b.max - a.used / a.max);
}

function isBudget(per: string): per is BudgetPer {
  return Object.hasOwn(MAX, per);
}
