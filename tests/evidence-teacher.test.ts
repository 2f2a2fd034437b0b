import { describe, expect, it } from 'vitest';
import { median, teacherPage } from '../bench/evidence/teacher-page.ts';
import { type TeacherFigures, type TeacherName, teachers } from '../bench/evidence/teacher-plan.ts';

const figures: TeacherFigures = {
  plan: {
    style: 'validation',
    rows: 6000,
    poolSteps: 750,
    fineTuneSteps: 250,
    batch: 64,
    poolRate: 0.002,
    fineTuneRate: 0.0005,
    quality: 0.5,
    seeds: [1, 2],
  },
  mismatchedShare: 0.4,
  results: [1, 2].flatMap((seed) =>
    (Object.keys(teachers) as TeacherName[]).map((teacher, i) => ({
      seed,
      teacher,
      rows: teacher === 'pool' ? 6000 : 3000,
      loss: 1,
      recallAt1: (i + seed) / 10,
      languagesRecallAt1: 0.25,
      zeroShot: seed / 4,
    })),
  ),
};

describe("the page of the teacher's stages", () => {
  it('has each teacher with the median and the spread over seeds', () => {
    const page = teacherPage(figures);
    expect(page).toContain('1000 steps of 64 pairs in all, over 2 seeds, on 6,000 rows');
    expect(page).toContain(
      '| pool | the whole pool, one stage | 6,000 | 15.0% (10.0–20.0) | 25.0% (25.0–25.0) |',
    );
    expect(page).toContain('| both | the pool, then the high-quality part | 3,000 | 35.0% (30.0–40.0) |');
    expect(page).toContain('scored on Twemoji');
  });

  it('takes the middle value, or the mean of the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 8]), median([5])]).toEqual([2, 3, 5]);
  });
});
