import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { exportTowersOnnx } from '../../models/export-onnx.ts';
import { createRandom } from '../../schemas/random.ts';
import { stirred, toyConfig } from '../models/toy-towers.ts';
import { temporaryFolder } from '../support.ts';
import { freePort, type Started, startFeed } from './processes.ts';

const root = new URL('../..', import.meta.url).pathname;
const execute = promisify(execFile);
const things =
  'boat house cat dog tree river bridge garden window horse table lamp mountain street market bird'.split(
    ' ',
  );
const looks = 'red old quiet tall bright small wooden broken snowy golden empty crowded dark green'.split(
  ' ',
);
const places = 'by the sea,in the morning,under a grey sky,near the station,after the rain,at night'.split(
  ',',
);

/** What stands in for the person's own: tars as img2dataset makes them, and two small models. */
async function prepare(folder: string): Promise<void> {
  const random = createRandom('guide');
  await mkdir(join(folder, 'data/laion'), { recursive: true });
  const tar = pack();
  for (let i = 0; i < 150; i += 1) {
    const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, () => random.integer(256));
    const jpeg = sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } }).jpeg();
    const key = String(i).padStart(9, '0');
    tar.entry({ name: `${key}.jpg` }, await jpeg.toBuffer());
    const [thing, other] = [random.pick(things), random.pick(things)];
    const said = `the ${random.pick(looks)} ${thing} and a ${random.pick(looks)} ${other} ${random.pick(places)}`;
    tar.entry({ name: `${key}.txt` }, said);
    tar.entry({ name: `${key}.json` }, JSON.stringify({ key, status: 'success', width: 64, height: 64 }));
  }
  tar.finalize();
  await writeFile(join(folder, 'data/laion/00000.tar'), await buffer(tar));
  for (const name of ['siglip2-so400m', 'siglip2-base']) {
    await exportTowersOnnx(toyConfig, stirred(toyConfig), join(folder, 'towers', name));
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await copyFile(join(root, 'docs/clients/assay-client.mjs'), join(folder, 'assay-client.mjs'));
}

describe('docs/fine-tune.md', () => {
  it('goes from tars to a running fine-tune, as it is written', async () => {
    const folder = await temporaryFolder();
    await prepare(folder);
    const port = await freePort();
    const text = (await readFile(join(root, 'docs/fine-tune.md'), 'utf8')).replaceAll(
      '127.0.0.1:8791',
      `127.0.0.1:${port}`,
    );
    let feed: Started | null = null;
    let ran = 0;
    const program = join(root, 'pipeline/cli/assay.js');
    for (const [, language, body = ''] of text.matchAll(/```(\w+)\n([\s\S]*?)```/g)) {
      if (language === 'yaml') await writeFile(join(folder, 'fine-tune.yaml'), body);
      else if (language === 'js') await writeFile(join(folder, 'train.mjs'), body);
      else if (language === 'sh' && body.startsWith('npx assay feed')) {
        const args = body.trim().split(/\s+/).slice(2);
        feed = await startFeed(folder, [...args.slice(1), '--port', port]);
        ran += 1;
      } else if (language === 'sh') {
        const command = body.trim().replace(/^npx assay/, `"${process.execPath}" "${program}"`);
        await execute('sh', ['-c', command.replace(/^node /, `"${process.execPath}" `)], { cwd: folder });
        ran += 1;
      } else if (language === 'sql') {
        feed?.child.kill('SIGTERM');
        await feed?.ended();
        const instance = await DuckDBInstance.create();
        const connection = await instance.connect();
        await connection.run(`set file_search_path = '${folder}'`);
        // Twenty steps of the trainer that scores, one of the feed.
        expect((await connection.runAndReadAll(body)).getRows()).toHaveLength(21);
        connection.closeSync();
        instance.closeSync();
      }
    }
    expect(ran).toBe(9);
    expect((await readFile(join(folder, 'batch.arrows'))).length).toBeGreaterThan(32 * 256 * 256 * 3);
  }, 300_000);
});
