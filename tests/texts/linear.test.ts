import { setFlagsFromString } from 'node:v8';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileNames, footerPhrases, templateRemains } from '../../stages/texts/boilerplate.ts';
import { cleaningPatterns } from '../../stages/texts/clean-text.ts';
import { numberPatterns } from '../../stages/texts/judge-text.ts';

type MakeLimited = (source: string, flags: string, backtracks: number) => RegExp;

let limited: MakeLimited;

beforeAll(() => {
  setFlagsFromString('--allow-natives-syntax');
  limited = new Function('s', 'f', 'b', 'return %NewRegExpWithBacktrackLimit(s, f, b)') as MakeLimited;
});

const length = 8192;
/** Steps back that a pattern may take for each character of a text; a square would take thousands. */
const stepsEach = 256;

/**
 * The pattern with every repeated atom given a branch that never matches: V8 goes back through a plain loop without
 * counting, and through branches it counts.
 */
function counted(source: string): string {
  const atom = /(\[(?:\\.|[^\]\\])*\]|\\[pu]\{[^}]*\}|\\u[\da-f]{4}|\\.|[^\\[\](){}|*+?^$])([*+]|\{\d)?/giu;
  return source.replace(atom, (all, one: string, repeat?: string) =>
    repeat === undefined ? all : `(?:${one}|(?!))${repeat}`,
  );
}

/**
 * Whether a pattern goes through texts of {@link length} in work that is linear in it, counted in V8's backtracks: no
 * clock is asked. The pattern is given a way out that always matches, at the end, so that no match means that the
 * count was met.
 */
function isLinear(pattern: RegExp): (text: string) => boolean {
  const source = `(?:${counted(pattern.source)})|(?![^])`;
  const expression = limited(source, `${pattern.flags.replace('g', '')}g`, stepsEach * length);
  return (text) => {
    for (let at = 0; at < text.length; ) {
      expression.lastIndex = at;
      const found = expression.exec(text);
      if (found === null) return false;
      at = Math.max(at + 1, found.index + found[0].length);
    }
    return true;
  };
}

const attacks = [
  'a',
  'a.',
  'a-',
  'a@',
  'a@a.',
  '.',
  '..a',
  '-',
  '-a',
  ' ',
  ' -',
  '- x',
  '<',
  '<a',
  '<a ',
  '<script',
  '<script>',
  '</script',
  '<script> </script ',
  '<b ',
  '&',
  '{',
  '{{',
  '{{a',
  '{%',
  '{%a',
  '${',
  '%',
  '%a',
  'var ',
  'var a',
  'www.',
  'https://',
  'ftp://a<',
  'a.a/',
  '.jpg?',
  'a.jpg?a',
  '/',
  '/a',
  '/a.jpg? ',
  'img_1',
  '1',
  '1 ',
  '1.',
  ' 1',
  '#',
  '(',
  '(1',
  ' of 1',
  '1 of ',
  'free ',
  'free a',
  'click ',
  'click on ',
  '\u200D',
  'a\u200D',
  '\u200C\u200D',
  '👨\u200D',
  '\u{E0041}',
  'م\u200C',
  '猫',
  '猫a.',
  '[',
  '[ ',
  '( ',
  '|',
  '| ',
  'x|-',
  '…',
  '–a',
  '\u00A0',
  '\u3000a',
];

const patterns: readonly RegExp[] = [
  ...cleaningPatterns,
  ...fileNames,
  ...numberPatterns,
  templateRemains,
  footerPhrases,
];

const wraps = [
  ['', ''],
  ['', '!'],
  ['a', ' x'],
  ['<script>', ''],
  ['(', '1'],
  ['img', '?'],
] as const;

describe('the work that a text can make', () => {
  it('is counted: a line is told from a square', () => {
    const text = `${'a'.repeat(length)}!`;
    expect([/b/u, /a{1,64}b/u].map((pattern) => isLinear(pattern)(text))).toEqual([true, true]);
    const squares = [/a+b/u, /(?:a|a)+b/u, /[^b]*x/u, /\S+\/b/u, /^\S*a\S*b/u, /\p{L}{3,}!b/u];
    expect(squares.filter((pattern) => isLinear(pattern)(text))).toEqual([]);
  });

  it.each(patterns.map((pattern, i) => [i, pattern.source.slice(0, 40), pattern] as const))(
    'grows no faster than the text: pattern %i, %s',
    (_, __, pattern) => {
      const passes = isLinear(pattern);
      const slow = attacks.flatMap((attack) =>
        wraps
          .filter(([start, end]) => !passes(`${start}${attack.repeat(length / attack.length)}${end}`))
          .map(([start, end]) => `${start}|${attack}|${end}`),
      );
      expect(slow).toEqual([]);
    },
  );
});
