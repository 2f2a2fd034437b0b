import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { localName, openRunTarget, planPublication, publishRun } from '../../pipeline/publish-run.ts';
import { storageOf, useStorage } from '../../schemas/storage/open-storage.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../../schemas/storage/settings.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { collect, temporaryFolder } from '../support.ts';
import { bucket, type ObjectStore, type SeenRequest, settingsFor, startObjectStore } from './object-store.ts';

const signal = new AbortController().signal;
let store: ObjectStore;
let behind: Storage;
let folder: string;
let places = 0;

beforeAll(async () => {
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  useStorage(settingsFor(store, { partBytes: 5 * 1024 * 1024, retries: 3 }));
  folder = await temporaryFolder();
  for (const part of ['shards', 'dropped', 'work']) await mkdir(join(folder, part));
  await writeFile(join(folder, 'shards', '00000.parquet'), new Uint8Array(11_000_000).fill(1));
  await writeFile(join(folder, 'shards', '00001.parquet'), 'one');
  await writeFile(join(folder, 'dropped', '00000.parquet'), 'dropped');
  for (const name of ['report.json', 'report.html', 'manifest.json'])
    await writeFile(join(folder, name), name);
  await writeFile(join(folder, 'work', 'spool'), 'nobody needs it');
  await writeFile(join(folder, 'shards', '00002.parquet.partial'), 'half');
  await symlink('/etc/hostname', join(folder, 'shards', 'link.parquet'));
});

beforeEach(() => {
  store.plan = null;
  store.seen.length = 0;
});

afterAll(async () => {
  useStorage(storageSettingsSchema.parse({}));
  await behind.close();
  await store.stop();
});

const newPlace = () => `s3://${bucket}/runs/${places++}`;
const finished = [
  'dropped/00000.parquet',
  'manifest.json',
  'report.html',
  'report.json',
  'shards/00000.parquet',
  'shards/00001.parquet',
];
const namesAt = async (place: string) =>
  (await collect(behind.list(`${place}/`))).map(({ location }) => location.slice(place.length + 1));
const written = (place: string) =>
  store.seen
    .filter(({ method, url }) => method !== 'GET' && method !== 'HEAD' && !url.includes('partNumber='))
    .map(({ method, url }) => `${method} ${url.split('?')[0]?.slice(`/${place.slice(5)}/`.length)}`);

describe('publishing a run', () => {
  it('sends the shards first and the manifest last, and nothing but what is finished', async () => {
    const place = newPlace();
    const report = await publishRun(folder, place, signal);
    expect(await namesAt(place)).toEqual(finished);
    expect(report).toEqual({
      location: place,
      uploaded: 6,
      bytes: 11_000_000 + 3 + 7 + 35,
      skipped: 0,
      removed: 0,
    });
    const order = written(place).filter((one) => !one.endsWith('unfinished.json'));
    expect(order.at(-1)).toBe('PUT manifest.json');
    expect(order.findLastIndex((one) => one.includes('shards/'))).toBeLessThan(
      order.indexOf('PUT report.json'),
    );
    const big = await collect(behind.stream(`${place}/shards/00000.parquet`));
    expect(Buffer.concat(big).equals(Buffer.alloc(11_000_000, 1))).toBe(true);
  });

  it('done again sends nothing', async () => {
    const place = newPlace();
    await publishRun(folder, place, signal);
    store.seen.length = 0;
    const again = await publishRun(folder, place, signal);
    expect(again).toMatchObject({ uploaded: 0, skipped: 6, removed: 0 });
    expect(written(place)).toEqual(['DELETE unfinished.json']);
  });

  it('goes on after it was cut short, and shows no manifest before', async () => {
    const place = newPlace();
    const isReport = ({ method, url }: SeenRequest) => method === 'PUT' && url.includes('report.html');
    store.plan = (request) =>
      isReport(request) ? { kind: 'answer', status: 403, code: 'AccessDenied' } : null;
    await expect(publishRun(folder, place, signal)).rejects.toMatchObject({ problem: 'denied' });
    expect(await namesAt(place)).not.toContain('manifest.json');
    store.plan = null;
    // A publication that was cut short is known by its mark: the place isn't taken for somebody's data.
    await expect(openRunTarget(place)).resolves.toHaveProperty('folder');
    const again = await publishRun(folder, place, signal);
    expect(again).toMatchObject({ uploaded: 2, skipped: 4 });
    expect(await namesAt(place)).toEqual(finished);
  });

  it('leaves no half object, and no parts, when an upload fails', async () => {
    const place = newPlace();
    store.plan = ({ url }) =>
      url.includes('partNumber=2') ? { kind: 'answer', status: 503, code: 'SlowDown' } : null;
    await expect(publishRun(folder, place, signal)).rejects.toMatchObject({
      problem: 'unavailable',
      message: expect.stringMatching(/shards\/00000.parquet, part 2: no answer in 4 attempts/),
    });
    expect(await namesAt(place)).not.toContain('shards/00000.parquet');
    const [, upload = ''] =
      /uploadId=([^&]+)/.exec(store.seen.find(({ url }) => url.includes('uploadId='))?.url ?? '') ?? [];
    expect(store.seen.filter(({ method, url }) => method === 'DELETE' && url.includes(upload)).length).toBe(
      1,
    );
  });

  it('comes through slow-downs, cut connections and lost answers', async () => {
    const place = newPlace();
    let lost = 0;
    store.plan = ({ method, url, index }) => {
      // The answer to what makes parts an object is lost: they are one all the same.
      if (method === 'POST' && url.includes('uploadId=') && lost++ === 0) return { kind: 'lose' };
      return index % 3 === 0
        ? { kind: 'answer', status: 503, code: 'SlowDown' }
        : index % 7 === 1
          ? { kind: 'lose' }
          : null;
    };
    await publishRun(folder, place, signal);
    expect(lost).toBeGreaterThan(0);
    expect(await namesAt(place)).toEqual(finished);
  });

  it('takes away what an earlier run left in its folders, and nothing else', async () => {
    const place = newPlace();
    await publishRun(folder, place, signal);
    await behind.put(`${place}/shards/00009.parquet`, Buffer.from('of an earlier run'));
    await behind.put(`${place}/notes.txt`, Buffer.from('somebody’s'));
    expect(await publishRun(folder, place, signal)).toMatchObject({ removed: 1 });
    expect(await namesAt(place)).toEqual([...finished, 'notes.txt'].sort());
  });

  it('stops when it is told to', async () => {
    const place = newPlace();
    const stop = new AbortController();
    store.plan = ({ url }) => {
      if (url.includes('partNumber=1')) stop.abort(new Error('stopped'));
      return null;
    };
    await expect(publishRun(folder, place, stop.signal)).rejects.toThrow('stopped');
    expect(await namesAt(place)).not.toContain('manifest.json');
  });
});

describe('the place of a run', () => {
  it('is refused where there may be data', async () => {
    const place = newPlace();
    await behind.put(`${place}/shards/00000.parquet`, Buffer.from('data'));
    await expect(openRunTarget(place)).rejects.toThrow(/holds shards\/00000.parquet and no manifest.json/);
    await expect(openRunTarget('s3://user:pa55word@bucket/run')).rejects.toThrow(/^--out: (?!.*pa55word)/);
  });

  it('on this machine is the folder itself', async () => {
    expect(await openRunTarget('runs/mine')).toHaveProperty('folder', 'runs/mine');
    expect(await openRunTarget('file:///tmp/run')).toHaveProperty('folder', '/tmp/run');
    expect(await (await openRunTarget('runs/mine')).publish(signal)).toBeNull();
  });

  it('has a folder here that no name leads out of', () => {
    fc.assert(
      fc.property(fc.string(), (end) => {
        expect(localName(`s3://bucket/../${end}`)).toMatch(/^[\w-]{0,40}-[0-9a-f]{12}$/);
      }),
    );
    expect(localName('s3://a/run')).not.toBe(localName('s3://b/run'));
  });
});

describe('the plan of a publication', () => {
  it('sends exactly what differs, the manifest last, and removes only within the run’s folders', () => {
    const name = fc.constantFrom(
      'shards/a',
      'shards/b',
      'dropped/a',
      'report.json',
      'manifest.json',
      'other/x',
      'y',
    );
    const file = fc.record({ name, bytes: fc.nat(1), sha256: fc.constantFrom('s', 't') });
    const files = fc.uniqueArray(file, { selector: (one) => one.name });
    fc.assert(
      fc.property(files, files, (here, there) => {
        const local = here.map(({ name: path, ...rest }) => ({ path, ...rest }));
        const plan = planPublication(local, there);
        const sent = [...plan.first, ...plan.last].map(({ path }) => path);
        const same = here.filter((one) =>
          there.some((other) => JSON.stringify(one) === JSON.stringify(other)),
        );
        expect([...sent, ...plan.skipped.map(({ path }) => path)].sort()).toEqual(
          here.map((one) => one.name).sort(),
        );
        expect(plan.skipped.map(({ path }) => path).sort()).toEqual(same.map((one) => one.name).sort());
        if (sent.includes('manifest.json')) expect(sent.at(-1)).toBe('manifest.json');
        for (const gone of plan.remove) {
          expect(here.some((one) => one.name === gone)).toBe(false);
          const isOurs = (part = '') =>
            ['shards', 'dropped'].includes(part) || here.some((one) => one.name.startsWith(`${part}/`));
          expect(isOurs(gone.split('/')[0])).toBe(true);
        }
        // A run that kept nothing leaves nothing of the one before among its rows.
        for (const { name: old } of there.filter((one) => /^(shards|dropped)\//.test(one.name))) {
          expect(plan.remove.includes(old) || here.some((one) => one.name === old)).toBe(true);
        }
      }),
    );
  });
});

describe('the storage of this process', () => {
  it('is opened once for a kind', async () => {
    expect(await storageOf('s3://a/b')).toBe(await storageOf('s3://c/d'));
    expect(await storageOf('/a/b')).toBe(await storageOf('file:///c'));
  });
});
