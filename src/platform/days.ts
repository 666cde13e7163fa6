const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/**
 * When a day (`2026-05-31`) begins in a time zone; in UTC where there is no such zone. Undefined when it is no day. A day
 * that begins twice or not at midnight, as clocks are changed, begins where the zone says it is that day for the first time.
 */
export function startOfDay(day: string, zone = 'UTC'): Date | undefined {
  const [, year, month, date] = DAY.exec(day) ?? [];
  const wanted = Date.UTC(Number(year), Number(month) - 1, Number(date));
  if (Number.isNaN(wanted) || new Date(wanted).toISOString().slice(0, 10) !== day) return undefined;
  const format = clockOf(zone);
  let at = wanted;
  /* The clock is asked how far off the guess is, and the second time for where it was changed in between. */
  for (let turn = 0; turn < 2; turn += 1) at = wanted - (shownBy(format, at) - at);
  return new Date(at);
}

/** The day after one; undefined when it is none. */
export function nextDay(day: string): string | undefined {
  const start = startOfDay(day);
  return start && new Date(start.getTime() + 86_400_000).toISOString().slice(0, 10);
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const shape = {
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  } as const;
  const more = {
    ...shape,
    second: 'numeric',
    hourCycle: 'h23',
    calendar: 'iso8601',
    numberingSystem: 'latn',
  } as const;
  try {
    return new Intl.DateTimeFormat('en-US', { ...more, timeZone });
  } catch {
    return new Intl.DateTimeFormat('en-US', { ...more, timeZone: 'UTC' });
  }
}

/** What a clock in the zone shows at an instant, read as if it were UTC. */
function shownBy(format: Intl.DateTimeFormat, at: number): number {
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
}
