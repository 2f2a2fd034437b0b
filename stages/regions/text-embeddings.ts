import type { Teacher } from '../../models/teacher.ts';

/** Embeds texts that it hasn't met lately: answers each text's unit row [d]. */
export type TextEmbeddings = (texts: readonly string[]) => Promise<ReadonlyMap<string, Float32Array>>;

/** Embeds the texts it hasn't met lately; holds `most` of them, the oldest given up first. */
export function cachedTextEmbeddings(
  teacher: Pick<Teacher, 'dimension' | 'embedTexts'>,
  most: number,
): TextEmbeddings {
  const held = new Map<string, Float32Array>();
  return async (texts) => {
    const found = new Map<string, Float32Array>();
    const fresh = texts.filter((text) => !held.has(text));
    const embedded = await teacher.embedTexts(fresh);
    for (const text of texts) {
      const known = held.get(text);
      if (known) found.set(text, known);
    }
    fresh.forEach((text, i) => {
      const embedding = embedded.slice(i * teacher.dimension, (i + 1) * teacher.dimension);
      found.set(text, embedding);
      held.set(text, embedding);
    });
    for (const text of held.keys()) {
      if (held.size <= most) break;
      held.delete(text);
    }
    return found;
  };
}
