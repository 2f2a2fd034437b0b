import type { Data } from 'apache-arrow';
import { fromFloat16 } from '../../models/float16.ts';
import type { BatchLengths, SentColumns } from '../../schemas/arrow-stream.ts';
import { intColumn, listColumn, textColumn } from '../../schemas/columns.ts';
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
    bytes.set(halvesAt(row, name, d), i * 2 * d);
  });
  return {
    halves,
    get floats() {
      return fromFloat16(halves);
    },
  };
}

const teacherNames = [
  ['teacher_image', 'teacherImage'],
  ['teacher_text', 'teacherText'],
] as const;

function halvesAt(row: FeedRow, name: 'teacherImage' | 'teacherText', d: number): Uint8Array {
  const half = row[name];
  if (half?.length !== 2 * d) throw new Error(`row ${row.key} has no teacher embedding of ${d} numbers`);
  return half;
}

/** The columns that every answer with pairs has. */
export function pairColumns(rows: readonly FeedRow[]): [string, Data][] {
  return [
    ['key', textColumn(rows.map(({ key }) => key))],
    ['language', textColumn(rows.map(({ language }) => language))],
    ['text', textColumn(rows.map(({ text }) => text))],
  ];
}

/** The teacher's embeddings of d numbers, in half precision. */
export function teacherColumns(rows: readonly FeedRow[], d: number): [string, Data][] {
  return teacherNames.map(([column, name]) => [column, listColumn(halvesOf(rows, name, d).halves, d)]);
}

/** What is sent of pairs beside their texts: the encoded images, and the teacher's embeddings of `dimension` numbers. */
export interface SentParts {
  readonly images: boolean;
  readonly dimension: number | null;
}

/** The columns of pairs that go out as they are stored: images from where they lie. */
export function sentColumns(
  rows: readonly FeedRow[],
  indices: Int32Array,
  { images, dimension }: SentParts,
): SentColumns {
  return [
    ['index', intColumn(indices)],
    ...pairColumns(rows),
    ...(images ? [['image', { scattered: rows.map(({ image }) => image) }] as const] : []),
    ...(dimension === null
      ? []
      : teacherNames.map(
          ([column, name]) =>
            [
              column,
              { scattered: rows.map((row) => halvesAt(row, name, dimension)), halves: dimension },
            ] as const,
        )),
  ];
}

/** The lengths of the buffers of {@link sentColumns}, without making them. */
export function sentLengths(rows: readonly FeedRow[], { images, dimension }: SentParts): BatchLengths {
  const sum = (length: (row: FeedRow) => number) => rows.reduce((total, row) => total + length(row), 0);
  // No validity; offsets; bytes.
  const strings = (length: (row: FeedRow) => number) => [0, 4 * (rows.length + 1), sum(length)];
  const lists = dimension === null ? [] : [0, 0, 2 * dimension * rows.length];
  return {
    nodes: 4 + (images ? 1 : 0) + (dimension === null ? 0 : 4),
    buffers: [
      ...[0, 4 * rows.length],
      ...strings(({ key }) => Buffer.byteLength(key)),
      ...strings(({ language }) => Buffer.byteLength(language)),
      ...strings(({ text }) => Buffer.byteLength(text)),
      ...(images ? strings(({ image }) => image.length) : []),
      ...lists,
      ...lists,
    ],
  };
}
