import type { DeletePages } from '../../../src/journeys/manage/deletion/models.js';
import type { AccountFrame } from '../../../src/journeys/manage/door.js';
import type { DeletionPages } from '../../../src/journeys/privacy/deletion/models.js';
import type { DeletionMail } from '../../../src/journeys/privacy/deletion/tell.js';

const at = new Date('2026-03-09T17:04:00Z');
const later = new Date('2026-03-16T17:04:00Z');
const url = '/deletion/Jx7';

type Samples<Pages> = { readonly [Name in keyof Pages]: Readonly<Record<string, Pages[Name]>> };

/** A model for each page about a deletion. */
export function deletionSamples(frame: AccountFrame): Samples<DeletePages & DeletionPages> {
  const delete_ = { ...frame, kept: false, days: 7, apps: ['Photo Album', 'Buchladen am Eck'], moreApps: 0 };
  return {
    'account/delete': {
      usual: delete_,
      many: { ...delete_, moreApps: 3 },
      alone: { ...delete_, apps: [], kept: true },
      waiting: { ...delete_, waiting: { beginsAt: later, statementUrl: `https://id.example${url}` } },
    },
    'deletion/statement': {
      waiting: { state: 'waiting', beginsAt: later, keepUrl: `${url}/keep` },
      kept: { state: 'kept' },
      underWay: {
        state: 'under_way',
        restored: false,
        times: [
          { word: 'asked_at', at },
          { word: 'begun_at', at: later },
        ],
        recipients: [
          { name: 'Photo Album', claims: ['name', 'email'], state: 'asked', at: later },
          { name: 'Clock', claims: [], state: 'later', at: later },
          { name: 'Buchladen am Eck', claims: [], state: 'noted' },
        ],
        olderUrl: `${url}?after=shop`,
        downloadUrl: `${url}/statement.jws`,
      },
      finished: {
        state: 'finished',
        restored: true,
        times: [
          { word: 'removed_at', at: later },
          { word: 'finished_at', at: later },
          { word: 'audits_at', at: later },
          { word: 'audited_at', at: later },
        ],
        recipients: [
          {
            name: 'Photo Album',
            claims: ['name'],
            state: 'confirmed',
            at: later,
            audit: 'gone',
            auditedAt: later,
          },
          {
            name: 'Shop',
            claims: [],
            state: 'kept',
            note: 'Invoices, ten years (§ 147 AO)',
            at: later,
            audit: 'kept',
          },
          { name: 'Notes', claims: [], state: 'confirmed', at: later, audit: 'there', auditedAt: later },
          { name: 'Radio', claims: [], state: 'received', at: later, audit: 'unknown' },
          { name: 'Clock', claims: [], state: 'refused', at: later, audit: 'asked' },
          { name: 'Maps', claims: [], state: 'settled', note: 'They wrote to us.', at: later },
          { claims: ['email'], state: 'unreachable', at: later },
        ],
        downloadUrl: `${url}/statement.jws`,
      },
      nobody: {
        state: 'finished',
        restored: false,
        times: [],
        recipients: [],
        downloadUrl: `${url}/statement.jws`,
      },
    },
    'deletion/unknown': { usual: {} },
    'deletion/waiting': {
      usual: { beginsAt: later, keepUrl: '/deletion/waiting/abc', onUrl: '/auth/abc' },
      kept: { keepUrl: '/deletion/waiting/abc', onUrl: '/auth/abc' },
    },
  };
}

/** A model for the mail. */
export const deletionMail: DeletionMail = {
  issuerName: 'Keyhold',
  news: { kind: 'asked' },
  statementUrl: `https://id.example${url}`,
  beginsAt: later,
  asked: { at, device: 'Firefox · Windows', address: '203.0.113.7' },
};
