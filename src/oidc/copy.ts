/** A deep copy of what is JSON, which is all that the engine keeps; a tenth of `structuredClone`'s cost. */
export function copyOf<T>(value: T): T {
  return copied(value) as T;
}

function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  if (Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    /* A key that JSON may have and an assignment would take for the prototype. */
    if (key === '__proto__') return structuredClone(value);
    copy[key] = copied((value as Record<string, unknown>)[key]);
  }
  return copy;
}
