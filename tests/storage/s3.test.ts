import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askedWait } from '../../schemas/storage/s3-requests.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { collect } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

let store: ObjectStore;
let behind: Storage;
let storage: Storage;
const at = (name: string) => `s3://${bucket}/${name}`;
const bytes = new Uint8Array(1_500_000).map((_, i) => (i * 31 + (i >> 9)) % 251);

beforeAll(async () => {
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  storage = createS3Storage(settingsFor(store, { cache: { bytes: 0 } }));
  await behind.put(at('object'), bytes);
  for (let i = 0; i < 12; i += 1) await behind.put(at(`list/${i}.parquet`), bytes.subarray(0, 3));
});
beforeEach(() => {
  store.plan = null;
  store.seen.length = 0;
});
afterAll(async () => {
  await storage.close();
  await behind.close();
  await store.stop();
});

const readAll = async (from: Storage) => (await from.open(at('object'))).read(0, bytes.length);

describe('an object store that fails', () => {
  it('is asked for the rest of a body from where it broke', async () => {
    store.plan = ({ index }) =>
      index === 1
        ? { kind: 'reset', after: 500_000 }
        : index === 2
          ? { kind: 'truncate', after: 400_000 }
          : null;
    expect(Buffer.compare(await readAll(storage), bytes)).toBe(0);
    const starts = store.seen.flatMap(({ range }) =>
      range === undefined ? [] : [Number(/\d+/.exec(range)?.[0])],
    );
    expect(starts.length).toBe(3);
    expect(starts[0]).toBe(0);
    // A socket that is cut may lose what it held; what came is never asked for again.
    expect(starts[1]).toBeLessThanOrEqual(500_000);
    expect(starts[2]).toBe((starts[1] ?? 0) + 400_000);
  });

  it('may break as often as it likes, as long as reading gets somewhere', async () => {
    const least = createS3Storage(settingsFor(store, { retries: 0, cache: { bytes: 0 } }));
    store.plan = ({ method }) => (method === 'GET' ? { kind: 'truncate', after: 300_000 } : null);
    expect(Buffer.compare(await readAll(least), bytes)).toBe(0);
    expect(store.seen.length).toBe(6);
    store.plan = ({ method }) => (method === 'GET' ? { kind: 'truncate', after: 1000 } : null);
    await expect(readAll(least)).rejects.toThrow(
      /bytes 0 to 1500000: no answer in 1 attempts.*1000 of 1500000/,
    );
    await least.close();
  });

  it('is not waited for without end', async () => {
    const hasty = createS3Storage(settingsFor(store, { retries: 1, timeout: 0.3, cache: { bytes: 0 } }));
    store.plan = ({ method }) => (method === 'GET' ? { kind: 'stall', after: 1000 } : null);
    await expect(readAll(hasty)).rejects.toThrow(
      /no answer in 2 attempts, last BrokenAnswer nothing came for 0.3 s/,
    );
    await hasty.close();
  });

  it('is left in peace for as long as it asks, within bounds', async () => {
    const asking = (value: string) => askedWait({ $response: { headers: { 'retry-after': value } } });
    expect([asking('3'), asking('0.5'), asking('100000'), asking('-1')]).toEqual([3000, 500, 60_000, 0]);
    // A date says nothing that clocks agree on.
    expect([asking('Wed, 21 Oct 2026 07:28:00 GMT'), askedWait(new Error('x'))]).toEqual([0, 0]);
    store.plan = ({ index }) =>
      index === 0 ? { kind: 'answer', status: 503, code: 'SlowDown', retryAfter: 0.01 } : null;
    expect(await storage.stat(at('object'))).toMatchObject({ size: bytes.length });
    expect(store.seen.length).toBe(2);
  });

  it('is asked again for a list that is cut short: no name is lost', async () => {
    const whole = (await collect(storage.list(at('list/')))).length;
    expect(whole).toBe(12);
    for (const after of [300, 700, 1200, 1700, 2300]) {
      store.seen.length = 0;
      store.plan = ({ index }) => (index === 0 ? { kind: 'truncate', after } : null);
      expect((await collect(storage.list(at('list/')))).length).toBe(whole);
    }
  });

  it('is not asked again where that would not help', async () => {
    for (const [status, code, problem] of [
      [403, 'AccessDenied', 'denied'],
      [400, 'InvalidRequest', 'failed'],
      [404, 'NoSuchBucket', 'missing'],
    ] as const) {
      store.seen.length = 0;
      store.plan = () => ({ kind: 'answer', status, code });
      await expect(storage.put(at('x'), bytes.subarray(0, 1))).rejects.toMatchObject({
        problem,
        message: expect.stringContaining('s3://pool/x: '),
      });
      expect(store.seen.length).toBe(1);
    }
  });
});
