import { Field, List, Struct, Utf8 } from 'apache-arrow';
import type { Verdict } from '../../schemas/verdicts.ts';

/** An alt-text that its row lost, and why. */
export interface RemovedText extends Verdict {
  /** Its first 80 characters. */
  readonly text: string;
}

const field = (name: string) => new Field(name, new Utf8(), true);

/** The Arrow type of `removed_texts`: the alt-texts that a kept row lost. */
export const removedTextsType = new List(
  new Field(
    'element',
    new Struct([field('text'), field('reason'), field('value'), field('threshold')]),
    true,
  ),
);

/** Removed texts that are written down of a row; a row of a page has 5, a hostile one a million. */
const mostNamed = 16;

/** The first characters of a text, for where it is only named. */
export function excerpt(text: string): string {
  return [...text.slice(0, 160)].slice(0, 80).join('');
}

/** The texts that are written down of a row. */
export function named(removed: readonly RemovedText[]): readonly RemovedText[] {
  return removed.slice(0, mostNamed);
}

/** What is written down of a row that lost all its texts: each with its reason, and with its measure where it has one. */
export function removedValue(removed: readonly RemovedText[]): string {
  const texts = named(removed).map(({ reason, text, value, threshold }) =>
    threshold === undefined ? `${reason}: ${text}` : `${reason}: ${text} (${value} against ${threshold})`,
  );
  if (removed.length > mostNamed) texts.push(`${removed.length - mostNamed} more`);
  return texts.join('; ') || 'the row has no alt-texts';
}

/** A removed text as a label of its row: the value names the text. */
export function labelOf({ reason, text, value, threshold }: RemovedText): Verdict {
  return threshold === undefined
    ? { reason, value: text }
    : { reason, value: `${text} (${value})`, threshold };
}
