import type { FileHandle } from 'node:fs/promises';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openLedger } from '../../pipeline/curation/ledger.ts';
import type { FrozenRun } from '../../pipeline/curation/plan/plan-files.ts';
import { countTakenBack, takeBack } from '../../pipeline/schedule/taken-back.ts';
import { readUnread } from '../../pipeline/schedule/unread.ts';
import { temporaryFolder } from '../support.ts';

const done: string[] = [];

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    async open(path: string, flags?: string): Promise<FileHandle> {
      const file = await real.open(path, flags);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        await sync();
        done.push(`sync ${basename(path)}`);
      };
      return file;
    },
    async rename(from: string, to: string): Promise<void> {
      await real.rename(from, to);
      done.push(`rename ${basename(from)}`);
    },
  };
});

const said = { key: null, shard: '/in/a.parquet', stage: 'read-shards', reason: 'no-key', detail: '' };
const task = { path: '/in/a.parquet', rowGroups: { from: 0, to: 1 }, only: [[0, 1]], phase: 'admit' };
const run = { folder: '/none', plan: { config: {} }, tasks: () => [task] } as unknown as FrozenRun;
const left = new Map([['/in/a.parquet', [{ group: 0, ranges: [[4, 5]] }]]]);

let folder: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'increments'));
  const ledger = await openLedger(folder);
  for (const row of [0, 4]) ledger.quarantine({ ...said, rowGroup: 0, row });
  await ledger.close();
  done.length = 0;
});

describe('the ledger of an earlier increment', () => {
  it('is on the disk before it takes the place of the one that was there', async () => {
    await takeBack(folder, run, await countTakenBack(folder, 2, run));
    expect(done).toEqual(['sync 00000.parquet.partial', 'rename 00000.parquet.partial', 'sync quarantine']);
    expect(await readUnread(folder)).toEqual(left);
  });

  it.each([
    ['a file', true],
    ['nothing yet', false],
  ])('is written through no link that lies where it is made: to %s', async (_, isThere) => {
    const elsewhere = join(folder, 'elsewhere');
    if (isThere) await writeFile(elsewhere, 'somebody else');
    await symlink(elsewhere, join(folder, 'quarantine', '00000.parquet.partial'));
    await takeBack(folder, run, await countTakenBack(folder, 2, run));
    const text = await readFile(elsewhere, 'utf8').catch(() => null);
    expect(text).toBe(isThere ? 'somebody else' : null);
    expect(await readUnread(folder)).toEqual(left);
  });
});
