import type { Data } from 'apache-arrow';
import { fromFloat16 } from '../../models/float16.ts';
import { binaryColumn, listColumn, textColumn } from '../../schemas/columns.ts';
import type { FeedRow } from './rows.ts';

/** The teacher's embeddings of rows, as they are stored and as numbers: [rows, d] both. */
export function halvesOf(
  rows: readonly FeedRow[],
  name: 'teacherImage' | 'teacherText',
  d: number,
): { readonly halves: Uint16Array; readonly floats: Float32Array } {
  const halves = new Uint16Array(rows.length * d);
  const bytes = new Uint8Array(halves.buffer);
  rows.forEach((row, i) => {
    const half = row[name];
    if (half?.length !== 2 * d) throw new Error(`row ${row.key} has no teacher embedding of ${d} numbers`);
    bytes.set(half, i * 2 * d);
  });
  return {
    halves,
    get floats() {
      return fromFloat16(halves);
    },
  };
}

/** The columns that every answer with pairs has. */
export function pairColumns(rows: readonly FeedRow[]): [string, Data][] {
  return [
    ['key', textColumn(rows.map(({ key }) => key))],
    ['language', textColumn(rows.map(({ language }) => language))],
    ['text', textColumn(rows.map(({ text }) => text))],
  ];
}

/** The encoded images. */
export function imageColumn(rows: readonly FeedRow[]): Data {
  return binaryColumn(rows.map(({ image }) => image));
}

/** The teacher's embeddings of d numbers, in half precision. */
export function teacherColumns(rows: readonly FeedRow[], d: number): [string, Data][] {
  return [
    ['teacher_image', listColumn(halvesOf(rows, 'teacherImage', d).halves, d)],
    ['teacher_text', listColumn(halvesOf(rows, 'teacherText', d).halves, d)],
  ];
}
