import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { sniffFormat } from '../../models/images.ts';
import type { ExportedRow } from './rows.ts';
import type { ExportWriter } from './writer.ts';

const endings = { jpeg: 'jpg', png: 'png', webp: 'webp', gif: 'gif' } as const;

/**
 * Writes tars as WebDataset reads them: a sample's image, `.txt`, `.json` (`key`, `language`, where it was selected
 * `step` and `position`), and the teacher's embeddings as `.teacher_image.npy` and `.teacher_text.npy`. Members carry no
 * time and no owner, so that the same rows make the same bytes.
 */
export function writeWebdataset(folder: string, rowsPerShard: number): ExportWriter {
  let shard: { tar: Pack; written: Promise<void>; rows: number; path: string } | null = null;
  let shards = 0;
  const finish = async () => {
    if (shard === null) return;
    shard.tar.finalize();
    await shard.written;
    await rename(`${shard.path}.partial`, shard.path);
    shard = null;
  };
  const begin = () => {
    const path = join(folder, `${String(shards++).padStart(5, '0')}.tar`);
    const tar = pack();
    const written = pipeline(tar, createWriteStream(`${path}.partial`));
    written.catch(() => {});
    return { tar, written, rows: 0, path };
  };
  return {
    async write(rows) {
      for (const row of rows) {
        shard ??= begin();
        for (const [ending, bytes] of membersOf(row)) {
          const { tar, written } = shard;
          const added = new Promise<void>((resolve, reject) => {
            const header = {
              name: `${row.name}.${ending}`,
              size: bytes.length,
              mtime: new Date(0),
              mode: 0o644,
            };
            tar.entry(header, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), (error) =>
              error ? reject(error) : resolve(),
            );
          });
          await Promise.race([added, written]);
        }
        shard.rows += 1;
        if (shard.rows >= rowsPerShard) await finish();
      }
    },
    close: finish,
    async abort() {
      shard?.tar.destroy();
      await shard?.written.catch(() => {});
    },
  };
}

function membersOf(row: ExportedRow): [string, Uint8Array][] {
  const format = sniffFormat(row.image);
  const { key, language, selected } = row;
  return [
    [format ? endings[format] : 'jpg', row.image],
    ['txt', Buffer.from(row.text)],
    ['json', Buffer.from(JSON.stringify({ key, language, ...selected }))],
    ...(row.teacherImage ? ([['teacher_image.npy', npy(row.teacherImage)]] as const) : []),
    ...(row.teacherText ? ([['teacher_text.npy', npy(row.teacherText)]] as const) : []),
  ].map(([ending, bytes]) => [String(ending), bytes as Uint8Array]);
}

/** Half-precision numbers as a file of NumPy (NEP 1, version 1.0). */
export function npy(halves: Uint8Array): Uint8Array {
  const text = `{'descr': '<f2', 'fortran_order': False, 'shape': (${halves.length / 2},), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const file = Buffer.alloc(length + halves.length, ' ');
  file.write('\x93NUMPY\x01\x00', 0, 'latin1');
  file.writeUInt16LE(length - 10, 8);
  file.write(text, 10, 'latin1');
  file.write('\n', length - 1, 'latin1');
  file.set(halves, length);
  return file;
}
