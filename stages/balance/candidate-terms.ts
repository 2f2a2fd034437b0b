/** Candidates of a row at the most, and characters of a word: what is longer is no word. */
const mostTerms = 256;
const mostCharacters = 64;

const unspacedScript =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Tibetan}]/u;
const letter = /\p{L}/u;
const wordPattern =
  /[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}\u200C\u200D]|['’ʼ׳״·\u2010\u2011-](?=[\p{L}\p{M}\p{N}]))*/gu;

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/**
 * What of a row's texts may become a term: its words and its pairs of neighbouring words, joined by a space; each
 * once, lower-cased (NFKC), no number alone, no pair across punctuation. Scripts without spaces are cut into words by
 * `Intl.Segmenter`. Unigrams and bigrams are among MetaCLIP's terms likewise (arXiv 2309.16671): of Wikipedia there, of
 * the data itself here.
 */
export function candidateTerms(texts: Iterable<string | null>): string[] {
  const terms = new Set<string>();
  for (const text of texts) {
    let before: string | null = null;
    for (const word of wordsAndBreaks(text ?? '')) {
      if (terms.size >= mostTerms) return [...terms];
      if (word !== null) terms.add(word);
      if (word !== null && before !== null) terms.add(`${before} ${word}`);
      before = word;
    }
  }
  return [...terms];
}

/** The words of a text in order; null where a pair must not reach across. */
function* wordsAndBreaks(text: string): Generator<string | null> {
  const plain = text.normalize('NFKC').toLowerCase();
  let end = 0;
  for (const { 0: run, index } of plain.matchAll(wordPattern)) {
    if (/\S/u.test(plain.slice(end, index))) yield null;
    end = index + run.length;
    for (const word of unspacedScript.test(run) ? segments(run) : [run]) {
      yield word.length <= mostCharacters && letter.test(word) ? word : null;
    }
  }
}

function segments(run: string): string[] {
  return [...segmenter.segment(run)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : []));
}
