import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount } from '../accounts/accounts.js';
import { noteChanged, openSealed, put, type Rules, seal } from './changes.js';
import { later } from './limits.js';
import { keptAttributes } from './schema.js';
import { type ChangeRow, listValues, settleChange } from './store.js';

/** What an operator said of a change that waited. */
export interface Decision {
  readonly accountId: string;
  readonly attribute: string;
  readonly became: 'changed' | 'scheduled' | 'refused';
  readonly at?: Date;
}

/** Lets a change happen that waits for it: now, or on its day. */
export async function approveChange(work: Work, rules: Rules, row: ChangeRow): Promise<Decision | undefined> {
  const attribute = keptAttributes(rules.schema).find(({ name }) => name === row.attribute);
  if (!attribute) throw new Refusal('conflict', 'attribute_gone', `${row.attribute} is not held any more.`);
  await lockAccount(work, row.account_id);
  const { effective_after } = attribute.limits;
  const values = await listValues(work.tx, row.account_id);
  const detail = { attribute: row.attribute, change: row.id };
  if (!effective_after || !values.has(row.attribute)) {
    const became = await bringAbout(work, rules, row, 'waiting');
    if (became) work.record({ type: 'profile.change_approved', accountId: row.account_id, detail });
    return became;
  }
  const at = later(work.at, effective_after);
  const to = { state: 'scheduled', value: row.value, effective_at: at } as const;
  const settled = await settleChange(work.tx, {
    accountId: row.account_id,
    id: row.id,
    from: ['waiting'],
    to,
  });
  if (!settled) return undefined;
  work.record({ type: 'profile.change_approved', accountId: row.account_id, detail });
  return { accountId: row.account_id, attribute: row.attribute, became: 'scheduled', at };
}

/** Turns a change down that waits, for a reason that its person is told. */
export async function refuseChange(
  work: Work,
  row: ChangeRow,
  reason: string,
): Promise<Decision | undefined> {
  const to = { state: 'refused', settled_at: work.at, reason } as const;
  const settled = await settleChange(work.tx, {
    accountId: row.account_id,
    id: row.id,
    from: ['waiting'],
    to,
  });
  if (!settled) return undefined;
  const detail = { attribute: row.attribute, change: row.id };
  work.record({ type: 'profile.change_refused', accountId: row.account_id, detail });
  return { accountId: row.account_id, attribute: row.attribute, became: 'refused' };
}

/** Makes a change take effect that waited or was due, once. */
export async function bringAbout(
  work: Work,
  { schema, keyring }: Rules,
  row: ChangeRow,
  from: 'waiting' | 'scheduled',
): Promise<Decision | undefined> {
  const { account_id: accountId, id, attribute: name } = row;
  await lockAccount(work, accountId);
  if (!isReadable(keyring, row)) {
    await settleChange(work.tx, {
      accountId,
      id,
      from: [from],
      to: { state: 'withdrawn', settled_at: work.at },
    });
    return undefined;
  }
  const limits = keptAttributes(schema).find(attribute => attribute.name === name)?.limits ?? {};
  const current = (await listValues(work.tx, accountId)).get(name);
  const undo = limits.undo_within && current ? later(work.at, limits.undo_within) : null;
  const settled = await settleChange(work.tx, {
    accountId,
    id,
    from: [from],
    to: {
      state: 'done',
      settled_at: work.at,
      undo_until: undo,
      value_before: undo ? seal(keyring, accountId, id, current ?? null) : null,
    },
  });
  if (!settled?.value) return undefined;
  await put(work, accountId, name, openSealed(keyring, settled, settled.value), settled.source);
  await noteChanged(work, accountId, [name], settled.source);
  return { accountId, attribute: name, became: 'changed' };
}

function isReadable(keyring: Keyring, row: ChangeRow): boolean {
  try {
    return row.value !== null && openSealed(keyring, row, row.value) !== undefined;
  } catch {
    return false;
  }
}
