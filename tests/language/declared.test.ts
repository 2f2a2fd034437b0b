import { describe, expect, it } from 'vitest';
import { declaredLanguage } from '../../models/language/declared.ts';

const languages = ['ak', 'en', 'fil', 'he', 'id', 'no', 'sr', 'yue', 'zh'];

describe('declaredLanguage', () => {
  it.each([
    ['en-US', 'en'],
    ['EN_us', 'en'],
    [' en ', 'en'],
    ['en-', 'en'],
    ['en;q=0.8, de', 'en'],
    ['eng', 'en'],
    ['iw', 'he'],
    ['in', 'id'],
    ['tl', 'fil'],
    ['nb', 'no'],
    ['nn-NO', 'no'],
    ['sh', 'sr'],
    ['tw', 'ak'],
    ['cmn-Hans', 'zh'],
    ['zh-yue', 'yue'],
    ['zh_Hant_HK', 'zh'],
  ])('reads %j as %s', (declared, expected) => expect(declaredLanguage(declared, languages)).toBe(expected));

  it.each([[''], [' '], [null], ['xx'], ['de'], ['english'], ['x-default'], ['123'], ['-'], ['<html>']])(
    'takes %j for no declaration',
    (declared) => expect(declaredLanguage(declared, languages)).toBeNull(),
  );

  it('keeps the form of Norwegian that the list has', () => {
    expect(declaredLanguage('nn', ['nb', 'nn'])).toBe('nn');
    expect(declaredLanguage('no', ['nb', 'nn'])).toBe('nb');
  });
});
