/** Languages that stand for each other where only one of them is on the list (Norwegian and its written forms). */
const relatives: Readonly<Record<string, readonly string[]>> = {
  nb: ['no'],
  nn: ['no', 'nb'],
  no: ['nb', 'nn'],
  prs: ['fa'],
  wuu: ['zh'],
  tw: ['ak'],
};

/**
 * What a page declares as its language, as one of the languages of the list, or null where it is none of them:
 * `EN_us` is en, `iw` is he, `tl` is fil, `eng` is en, `nb` is no where the list has no nb.
 */
export function declaredLanguage(declared: string | null, languages: readonly string[]): string | null {
  const [tag = ''] = (declared ?? '').trim().split(/[\s,;]/u);
  if (tag === '') return null;
  const primary = primarySubtag(tag.replaceAll('_', '-').replace(/^zh-(?=yue|cmn)/iu, ''));
  if (primary === null) return null;
  const candidates = [primary, ...(relatives[primary] ?? [])];
  return candidates.find((candidate) => languages.includes(candidate)) ?? null;
}

function primarySubtag(tag: string): string | null {
  try {
    return Intl.getCanonicalLocales(tag)[0]?.split('-')[0] ?? null;
  } catch {
    // Malformed further subtags ("en-", "en-United States") leave the first one to go by.
    const [, first] = /^([A-Za-z]{2,3})(?:$|[^A-Za-z])/u.exec(tag) ?? [];
    return first === undefined ? null : (Intl.getCanonicalLocales(first)[0] ?? null);
  }
}
