import { describe, expect, it } from 'vitest';
import { compareLearners, comparisonSentence } from '../../pipeline/report/compare.ts';
import { reasonWords, stageTitle } from '../../pipeline/report/reasons.ts';
import { balanceLine, count, counted, duration, languageName, percent } from '../../pipeline/report/words.ts';
import { distillReport } from './run-folders.ts';

describe('figures in words', () => {
  it('separates thousands and names one or many', () => {
    expect(count(1234567)).toBe('1,234,567');
    expect([counted(1, 'row'), counted(2000, 'row')]).toEqual(['1 row', '2,000 rows']);
  });

  it('writes durations in the units that fit, without 60 of the smaller', () => {
    expect([4.21, 59.96, 119.7, 3600, 7261].map(duration)).toEqual([
      '4.2 s',
      '1 min 0 s',
      '2 min 0 s',
      '1 h 0 min',
      '2 h 1 min',
    ]);
  });

  it('says n/a for a share that is no number', () => {
    expect([percent(0.12345, 2), percent(Number.NaN)]).toEqual(['12.35%', 'n/a']);
  });

  it('names languages, and gives back codes that name none', () => {
    expect(['de', 'yue', 'und', 'not a code!'].map(languageName)).toEqual([
      'German',
      'Cantonese',
      'could not be told',
      'not a code!',
    ]);
  });

  it('says the balance exactly, and by how much it fails', () => {
    const rows = { read: 12345, kept: 12000, dropped: 300, quarantined: 45 };
    expect(balanceLine(rows)).toBe('12,345 read = 12,000 kept + 300 dropped + 45 quarantined');
    expect(balanceLine({ ...rows, kept: 11998 })).toMatch(/≠.*2 rows missing/);
    expect(balanceLine({ ...rows, kept: 12001 })).toMatch(/≠.*1 row too many/);
  });

  it('explains known reasons and stages and passes on others, whatever their name', () => {
    expect(reasonWords('pixel-limit')).toBe('more pixels than are decoded');
    expect(reasonWords('constructor')).toBe('constructor');
    expect(stageTitle('check-images')).toBe('Check images');
    expect(stageTitle('find-faces')).toBe('Find faces');
  });
});

describe('which learner is better', () => {
  it('is said plainly either way', () => {
    expect(comparisonSentence(distillReport(0.5, 0.25))).toBe(
      'The selected run is better by 25.0 points: selected 50.0%, uniform 25.0% recall@1.',
    );
    expect(comparisonSentence(distillReport(0.25, 0.5))).toMatch(
      /^The uniform run is better by 25\.0 points/,
    );
    expect(comparisonSentence(distillReport(0.5, 0.5))).toMatch(/^Neither run is better/);
  });

  it('is called noise when it is under two standard errors', () => {
    const report = distillReport(0.5, 0.48);
    expect(compareLearners(report)?.standardError).toBeCloseTo(
      100 * Math.sqrt((0.5 * 0.5 + 0.48 * 0.52) / 400),
      10,
    );
    expect(comparisonSentence(report)).toMatch(/within the noise of 400 held-out images/);
  });

  it('is not told of learners that were not evaluated', () => {
    const report = distillReport(0.5, 0.25);
    const learners = report.learners.map((learner) => ({ ...learner, evaluation: null }));
    expect(compareLearners({ ...report, learners })).toBeNull();
    expect(comparisonSentence({ ...report, learners })).toMatch(/not evaluated/);
  });
});
