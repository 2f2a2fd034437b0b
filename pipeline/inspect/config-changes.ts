/** A setting that differs: its path, and its value in each run; absent where a run hasn't it. */
export interface ConfigChange {
  readonly setting: string;
  readonly a?: unknown;
  readonly b?: unknown;
}

/** The settings in which two recipes differ, by their paths; lists are compared whole. */
export function configChanges(a: unknown, b: unknown): ConfigChange[] {
  const [left, right] = [settingsOf(a), settingsOf(b)];
  const settings = [...new Set([...left.keys(), ...right.keys()])].sort();
  return settings
    .filter((setting) => JSON.stringify(left.get(setting)) !== JSON.stringify(right.get(setting)))
    .map((setting) => ({
      setting,
      ...(left.has(setting) ? { a: left.get(setting) } : {}),
      ...(right.has(setting) ? { b: right.get(setting) } : {}),
    }));
}

function settingsOf(value: unknown, path = '', into = new Map<string, unknown>()): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) into.set(path, value);
  else {
    for (const [name, part] of Object.entries(value)) {
      settingsOf(part, path === '' ? name : `${path}.${name}`, into);
    }
  }
  return into;
}
