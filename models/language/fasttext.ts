import { getLIDModel } from 'fasttext.wasm.js';
import { type Member, memberCharacters, ourName } from './member.ts';

/** Labels asked for: what the others have of the probability is next to nothing. */
const labels = 8;

/** Probabilities are taken as no smaller than e^floor. */
const floor = -7;

/** What languages that the model does not know score: the pool's biases set them right. */
const unknown = -4;

const prefix = '__label__';

/** Every label of lid.176. */
const knownLabels =
  'af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh'.split(
    ' ',
  );

/** Serbo-Croatian counts for each of what it is now called. */
const serboCroatian = ['bs', 'hr', 'sr'];

/**
 * fastText's lid.176 (Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016), compressed, from the
 * package fasttext.wasm.js. Scores are logarithms of its probabilities.
 */
export async function loadFastText(languages: readonly string[]): Promise<Member> {
  const model = await (await getLIDModel()).load();
  const indices = new Map<string, readonly number[]>(
    [...knownLabels, 'sh'].map((label) => {
      const ours = label === 'sh' ? serboCroatian : [ourName(label)];
      return [prefix + label, ours.map((name) => languages.indexOf(name)).filter((index) => index >= 0)];
    }),
  );
  const known = new Set([...indices.values()].flat());
  const knows = languages.map((_, index) => known.has(index));
  const predict = (text: string, count: number) =>
    model.predict(text.slice(0, memberCharacters).replaceAll('\n', ' '), count, 0);
  return {
    name: 'fasttext',
    knows,
    score(text, scores) {
      const found = predict(text, labels);
      scores.fill(0);
      for (let i = 0; i < found.size(); i += 1) {
        const [probability, label] = found.get(i);
        for (const index of indices.get(label) ?? []) scores[index] = (scores[index] as number) + probability;
      }
      found.delete();
      for (let l = 0; l < scores.length; l += 1) {
        scores[l] = knows[l] === true ? Math.max(floor, Math.log(scores[l] as number)) : unknown;
      }
    },
    find(text) {
      const found = predict(text, 1);
      const [score = 0, label = ''] = found.size() > 0 ? found.get(0) : [];
      found.delete();
      return { language: label === '' ? 'und' : ourName(label.slice(prefix.length)), score };
    },
  };
}
