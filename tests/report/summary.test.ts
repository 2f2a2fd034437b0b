import { describe, expect, it } from 'vitest';
import { curationSummary, distillSummary } from '../../pipeline/report/summary.ts';
import { curationReport, distillReport } from './run-folders.ts';

describe('the summary of a curation', () => {
  const lines = curationSummary(curationReport, 'runs/a');
  const row = (...parts: string[]) => lines.some((line) => parts.every((part) => line.includes(part)));

  it('says the balance and the quarantined rows', () => {
    expect(lines).toContain('6 read = 3 kept + 2 dropped + 1 quarantined');
    expect(lines).toContain('Quarantined: 1 row');
    const shards = curationSummary({ ...curationReport, quarantinedShards: 2 }, 'runs/a');
    expect(shards).toContain('Quarantined: 1 row, and 2 whole shards that could not be read');
  });

  it('has every reason with its rows', () => {
    expect(row('check-images', 'undecodable-image', 'quarantined', '1')).toBe(true);
    expect(row('deduplicate', 'exact-duplicate', 'dropped', '1')).toBe(true);
  });

  it('sets the requested mix beside the realised one, and says what fell short', () => {
    expect(row('English', '25.00%', '33.33%')).toBe(true);
    expect(row('other languages', '75.00%', '66.67%')).toBe(true);
    expect(lines).toContain('mix: English: 1 row too many');
  });

  it('asks for nothing of the mix where none was planned', () => {
    const leftOut = [{ stage: 'mix-languages', why: 'mix.enabled is false' }];
    const unmixed = curationSummary({ ...curationReport, leftOut }, 'runs/a');
    expect(unmixed.find((line) => line.includes('│ English'))).toMatch(/any +│ +33\.33%/);
  });

  it('counts languages and regions, and says what was left out', () => {
    expect(lines).toContain('Languages: 3 seen, 3 kept');
    expect(lines).toContain('Regions: 2 regions on 1 of 3 kept rows (33.3%)');
    expect(lines).toContain('Left out: embed-with-teacher (no teacher.checkpoint)');
  });

  it('ends with where the report is', () => {
    expect(lines.at(-1)).toBe('Report: runs/a/report.html');
  });

  it('has no colours and no line ends within lines', () => {
    expect(lines.every((line) => !line.includes('\u001b') && !line.includes('\n'))).toBe(true);
  });
});

describe('the summary of a distillation', () => {
  const lines = distillSummary(distillReport(0.25, 0.5), 'runs/d');
  const row = (name: string) => lines.find((line) => line.includes(`│ ${name} `)) ?? '';

  it('has both runs’ recall, the languages’ mean and zero-shot', () => {
    for (const figure of ['25.0%', '50.0%', '6.3%', '8.3%', '12.5%'])
      expect(row('selected')).toContain(figure);
    for (const figure of ['50.0%', '100.0%', '25.0%']) expect(row('uniform')).toContain(figure);
  });

  it('has the teacher’s own figures, when it was scored', () => {
    expect(row('teacher')).toContain('87.5%');
    const without = distillSummary({ ...distillReport(0.25, 0.5), teacherAgreement: null }, 'runs/d');
    expect(without.join('\n')).not.toContain('teacher');
  });

  it('says that the uniform run is better when it is', () => {
    expect(lines.some((line) => line.startsWith('The uniform run is better by 25.0 points'))).toBe(true);
  });

  it('ends with where the report is', () => {
    expect(lines.at(-1)).toBe('Report: runs/d/report.html');
  });
});
