/** Identifiers that can be pooled with the project's own. */
export const memberNames = ['fasttext', 'eld'] as const;

/** The name of one of the members. */
export type MemberName = (typeof memberNames)[number];

/** A language identifier that others wrote, as it is pooled: it scores the languages that it knows. */
export interface Member {
  readonly name: MemberName;
  /** Of the languages it is loaded for, whether it knows each, [languages]. */
  readonly knows: readonly boolean[];
  /** Writes scores [languages] of a text, on the member's own scale; languages that it does not know get a constant. */
  score(text: string, scores: Float64Array): void;
  /** The language that the member alone finds, by our names, and its own figure of how sure it is. */
  find(text: string): { readonly language: string; readonly score: number };
}

/** What members call a language of ours, beside its own name. */
const names: Readonly<Record<string, string>> = {
  arz: 'ar',
  gom: 'kok',
  nb: 'no',
  nn: 'no',
  pnb: 'pa',
  tl: 'fil',
  wuu: 'zh',
};

/** Our name of a language that a member names. */
export function ourName(name: string): string {
  return names[name] ?? name;
}

/** Characters of a text that members read, at most. */
export const memberCharacters = 1000;
