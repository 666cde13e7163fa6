import { parseArgs } from 'node:util';
import {
  type AttributeUse,
  type MinimisationReport,
  minimisationReport,
  type People,
  REPORT_DAYS,
} from './journeys/reports/minimisation.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { standingIn } from './profile-commands.js';

export const REPORT_USAGE = `keyhold report minimisation [--days N] [--json]              what may be too much: attributes that nobody is told, fields
                                                             that stay empty, steps at which people give up, idle purposes`;

/** The clock, which is another one in tests only. */
export interface ReportCommand extends Shell {
  readonly now?: () => Date;
}

/** Runs `keyhold report …` and gives the exit code: 0 done, 2 not understood. */
export function runReport(words: readonly string[], command: ReportCommand): Promise<number> {
  return answering(command, REPORT_USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: { days: { type: 'string' }, json: { type: 'boolean' } },
      allowPositionals: true,
    });
    const days = Number(values.days ?? REPORT_DAYS.usual);
    if (positionals.join(' ') !== 'minimisation') throw new Usage();
    if (!Number.isInteger(days) || days < 1 || days > REPORT_DAYS.most)
      throw new Usage(`--days is a number from 1 to ${REPORT_DAYS.most}.`);
    const { db, now = () => new Date(), print } = command;
    const schema = await standingIn({ db });
    const report = await minimisationReport(db, { schema, now: now(), days, patience: '10min' });
    if (values.json) return report;
    print(inWords(report));
    return undefined;
  });
}

const SAYS: Readonly<Record<AttributeUse['says'][number], string>> = {
  never_told: 'no app was ever told it',
  used_here_alone: 'used here, and no app was ever told it',
  left_empty: 'most leave it empty',
  often_left_out: 'whoever is asked for it on the way leaves it out as often as not',
};

function inWords(report: MinimisationReport): string {
  const { attributes, apps, given_up: left, purposes_nobody_needs: idle } = report;
  return [
    ...section('Attributes', [
      ['', 'have it', 'apps', 'told of', ''],
      ...attributes.map(({ attribute, held, apps: told, told: people, says }) => [
        attribute,
        said(held),
        String(told),
        said(people),
        says.map(each => SAYS[each]).join('; '),
      ]),
    ]),
    ...section(
      'Purposes that nobody needs',
      idle.map(id => [id]),
    ),
    ...section(
      'Apps that never got what they said they ask for',
      apps.map(({ client_id, name, never_told }) => [client_id, name, never_told.join(', ')]),
    ),
    ...section(`Steps at which people gave up since ${report.since}`, [
      ...left.map(({ step, people }) => [step, said(people)]),
      ['sign-ups that were finished', said(report.sign_ups_finished)],
    ]),
    `Of ${said(report.people)} people, counted in fives; fewer than five are never counted.\n`,
  ].join('\n');
}

const said = (people: People | undefined) => (people === undefined ? '-' : String(people));

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [`${title}\n  none\n`];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  const lines = rows.map(
    row => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`,
  );
  return [`${title}\n${lines.map(line => line.trimEnd()).join('\n')}\n`];
}
