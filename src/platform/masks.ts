/** As much of a value as it takes to know it again, and no more. */
export function masked(value: unknown): string {
  if (Array.isArray(value)) return value.map(masked).join(', ');
  const text = typeof value === 'string' ? value : '';
  const at = text.lastIndexOf('@');
  if (at > 0) return `${[...text][0]}…${text.slice(at)}`;
  if (/^\+\d{5,}$/.test(text)) return `${text.slice(0, 3)}…${text.slice(-3)}`;
  return '…';
}
