/* What a spreadsheet takes for the beginning of a formula, also written wide, and what it skips before it looks. */
const FORMULA = /^[\p{C}\p{Z}]*[=+\-@＝＋－＠|%]/u;

/** One line of CSV (RFC 4180): every value quoted, and none that a spreadsheet would run. */
export function csvLine(values: readonly (string | undefined)[]): string {
  return `${values.map(cell).join(',')}\r\n`;
}

/** What comes before the first line, so that spreadsheets read the rest as UTF-8. */
export const CSV_START = '\ufeff';

function cell(value = ''): string {
  /* A tab or a line break at the start makes some programs look at what comes after it. */
  const guarded = FORMULA.test(value) || /^[\t\r\n]/.test(value) ? `'${value}` : value;
  return `"${guarded.replaceAll('"', '""')}"`;
}
