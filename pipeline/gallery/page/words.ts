import type { Row } from '../api.ts';

const counts = new Intl.NumberFormat('en');
const names = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'code' });

/** A whole number with separators. */
export function count(value: number): string {
  return counts.format(value);
}

/** A score in as many digits as tell it apart. */
export function figure(value: number): string {
  if (Number.isInteger(value)) return count(value);
  return Math.abs(value) >= 100 ? counts.format(Math.round(value)) : value.toFixed(3);
}

/** The English name of a language. */
export function languageName(code: string | null): string {
  if (code === null || code === '') return 'not identified';
  if (code === 'und') return 'could not be told';
  try {
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

/** `near-duplicate` as people read it. */
export function plain(name: string): string {
  return name.replaceAll('-', ' ');
}

/** What stands for a row: its text, or the first of its texts; null where none is known. */
export function textOf({ text, texts }: Row): string | null {
  return text ?? texts[0] ?? null;
}

/** What is said of a row for those who don't see its picture. */
export function describe(row: Row): string {
  const why = row.reason === null ? '' : `, ${plain(row.reason)}`;
  return `${row.outcome}${why}: ${textOf(row) ?? row.key ?? 'without a text'}`;
}
