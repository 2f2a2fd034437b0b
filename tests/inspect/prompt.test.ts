import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { openRun } from '../../pipeline/inspect/open-run.ts';
import { completionsOf, prompt, questionLines, viewLines } from '../../pipeline/inspect/prompt.ts';
import { temporaryFolder } from '../support.ts';
import { makeRun } from './made-run.ts';

let folder: string;

beforeAll(async () => {
  ({ folder } = await makeRun());
});

/** Types lines into a prompt and gives what it printed. */
async function typed(text: string, options: { history?: string | null; isTerminal?: boolean } = {}) {
  const input = new PassThrough();
  if (options.isTerminal) Object.assign(input, { isTTY: true, setRawMode: () => input });
  const output = new PassThrough();
  let printed = '';
  output.on('data', (bytes) => {
    printed += bytes;
  });
  const done = prompt(folder, { input, output, unrestricted: false, history: options.history ?? null });
  input.end(text);
  await done;
  return printed;
}

describe('the prompt', () => {
  it('answers statements over several lines, goes on after mistakes, and answers the last without its semicolon', async () => {
    const printed = await typed(`select count(*) AS n
from rows;
select nope from rows; drop view rows; select 7 as seven;
.format csv
.ask mix
.ask constructor
.views metrics
select 'the;last' as x`);
    expect(printed).toContain('│ 60 │');
    expect(printed).toContain('Referenced column "nope" not found');
    expect(printed).toContain('DROP is refused');
    expect(printed).toContain('│     7 │');
    expect(printed).toContain('part,languages,seen');
    expect(printed).toContain('.questions');
    expect(printed).toContain('gradient_norm');
    expect(printed.endsWith('x\nthe;last\n')).toBe(true);
  });

  it('ends at .quit', async () => {
    expect(await typed('.quit\nselect 1 as one;\n')).not.toContain('one');
  });

  it('keeps the lines that were typed for the next time, for the user alone', async () => {
    const history = join(await temporaryFolder(), 'state', 'history');
    await typed('select 41 + 1 as first;\n', { history, isTerminal: true });
    await typed('select 2 as second;\n', { history, isTerminal: true });
    expect(await readFile(history, 'utf8')).toBe('select 2 as second;\nselect 41 + 1 as first;\n');
    expect((await stat(history)).mode & 0o777).toBe(0o600);
    // Up twice is the line of the first time.
    const printed = await typed('\u001b[A\u001b[A\r', { history, isTerminal: true });
    expect(printed).toContain('42');
  });

  it('completes views, columns and keywords, over lines too', async () => {
    const run = await openRun(folder);
    const complete = async (line: string, before = '') => (await completionsOf(run, before, line))[0];
    expect(await complete('SELECT text_s')).toEqual(expect.arrayContaining(['text_score', 'text_scores']));
    expect(await complete('SELECT count(*) FROM sel')).toContain('selections');
    expect(await complete('FROM ro')).toContain('rows');
    expect(await complete('SEL')).toContain('SELECT');
    expect(await complete('sel')).toContain('select');
    expect(await complete('FROM selec', 'SELECT step\n')).toContain('selections');
    expect(await complete('.v')).toEqual(['.views']);
    expect(await complete('.ask f')).toEqual(['funnel']);
    for (const all of [await complete('SELECT te'), await complete('FROM d')]) {
      for (const found of all)
        expect(found.toLowerCase().startsWith('te') || found.startsWith('d')).toBe(true);
    }
    await run.close();
  });

  it('lists what there is', () => {
    expect(questionLines().split('\n')).toHaveLength(10);
    expect(viewLines()).toContain('duplicates');
    expect(viewLines('regions')).toContain('ymin');
  });
});
