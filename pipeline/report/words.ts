const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const languageNames = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'code' });

/** A whole number with thousands separators. */
export function count(value: number): string {
  return counts.format(value);
}

/** A number of things in words: `1 row`, `2 rows`. */
export function counted(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share in [0, 1] as percent. */
export function percent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)}%` : 'n/a';
}

/** Seconds as people say them: `4.2 s`, `3 min 5 s`, `2 h 1 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The English name of a BCP 47 language; the code itself when it has none. */
export function languageName(code: string): string {
  if (code === 'und') return 'could not be told';
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}

/** A part of a whole; 0 of nothing. */
export function shareOf(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/** `read = kept + dropped + quarantined` in numbers, and whether it holds. */
export function balanceLine(rows: {
  readonly read: number;
  readonly kept: number;
  readonly dropped: number;
  readonly quarantined: number;
}): string {
  const { read, kept, dropped, quarantined } = rows;
  const left = read - kept - dropped - quarantined;
  const sign = left === 0 ? '=' : '≠';
  const line = `${count(read)} read ${sign} ${count(kept)} kept + ${count(dropped)} dropped + ${count(quarantined)} quarantined`;
  return left === 0
    ? line
    : `${line} (${counted(Math.abs(left), 'row')} ${left > 0 ? 'missing' : 'too many'})`;
}
