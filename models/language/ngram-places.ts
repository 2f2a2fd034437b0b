/** Where each n-gram of a list stands in it. */
export interface Places {
  get(ngram: string): number | undefined;
}

/** Characters of an n-gram, of a byte each, that a double's whole numbers have room for. */
const most = 6;

/**
 * Finds n-grams of at most 6 characters, each of a code under 256 and not 0. They are kept as numbers in a table of open
 * addressing: a map of a quarter of a million texts is looked through at every full collection of garbage. Throws on
 * n-grams that are longer, or of other characters.
 */
export function createPlaces(ngrams: readonly string[]): Places {
  // A power of two, at most half full.
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, 2 * ngrams.length)));
  const keys = new Float64Array(slots);
  const places = new Uint32Array(slots);
  const slotOf = (key: number) => {
    const [low, high] = [(key % 0x1000000) | 0, (key / 0x1000000) | 0];
    const hash = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    let slot = (hash ^ (hash >>> 15)) & (slots - 1);
    while (keys[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & (slots - 1);
    return slot;
  };
  ngrams.forEach((ngram, place) => {
    const key = keyOf(ngram);
    if (key === 0) throw new Error(`not an n-gram of bytes: ${JSON.stringify(ngram)}`);
    const slot = slotOf(key);
    keys[slot] = key;
    places[slot] = place;
  });
  return {
    get(ngram) {
      const key = keyOf(ngram);
      const slot = slotOf(key);
      return key === 0 || keys[slot] !== key ? undefined : places[slot];
    },
  };
}

/** The characters as one number; 0 where it isn't one n-gram's alone. */
function keyOf(ngram: string): number {
  if (ngram.length > most) return 0;
  let key = 0;
  for (let i = 0; i < ngram.length; i += 1) {
    const code = ngram.charCodeAt(i);
    if (code === 0 || code > 255) return 0;
    key = key * 256 + code;
  }
  return key;
}
