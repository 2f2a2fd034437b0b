import type { DuckDBValue } from '@duckdb/node-api';
import Table from 'cli-table3';
import { type Answer, type AnswerColumn, isNumeric, jsonOf, textOf } from './answers.ts';

/** The formats of an answer as text. */
export const textFormats = ['table', 'csv', 'json', 'markdown'] as const;

/** One of {@link textFormats}. */
export type TextFormat = (typeof textFormats)[number];

type Row = readonly DuckDBValue[];

/** Rows that a table shows: more are for a program, and in no table's way. */
export const tableRows = 1000;

/** Characters of a table's cell. */
const cellCharacters = 80;

/** An answer as text, in pieces. A table shows its first {@link tableRows} rows, and says when there are more. */
export function formatAnswer(answer: Answer, format: TextFormat): AsyncGenerator<string> {
  if (format === 'csv') return asCsv(answer);
  if (format === 'json') return asJson(answer);
  return format === 'markdown' ? asMarkdown(answer) : asTable(answer);
}

async function* asTable({ columns, pieces }: Answer): AsyncGenerator<string> {
  const table = new Table({
    head: columns.map(({ name }) => printable(name)),
    colAligns: columns.map((column) => (isNumeric(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  let isWhole = true;
  for await (const rows of pieces) {
    const room = tableRows - table.length;
    isWhole = rows.length <= room;
    for (const row of rows.slice(0, room)) table.push(columns.map((column, i) => cell(row[i], column)));
    if (!isWhole) break;
  }
  yield `${table.toString()}\n`;
  if (!isWhole) yield `the first ${tableRows} rows: --format csv, json or parquet gives them all\n`;
}

function cell(value: DuckDBValue | undefined, column: AnswerColumn): string {
  const isBytes = typeof value === 'object' && value !== null && 'bytes' in value;
  const text = isBytes
    ? `<${(value.bytes as Uint8Array).length} bytes>`
    : printable(textOf(value ?? null, column.type));
  if (text.length <= cellCharacters) return text;
  return `${[...text].slice(0, cellCharacters - 1).join('')}…`;
}

/**
 * A text that a terminal shows and doesn't obey: control characters, and marks that turn the direction of what comes
 * after them, are written as escapes.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const known = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    return known ?? `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`;
  });
}

async function* asCsv({ columns, pieces }: Answer): AsyncGenerator<string> {
  yield `${columns.map(({ name }) => csvField(name)).join(',')}\n`;
  for await (const rows of pieces) {
    const lines = rows.map((row) =>
      columns.map(({ type }, i) => csvField(textOf(row[i] ?? null, type))).join(','),
    );
    if (lines.length > 0) yield `${lines.join('\n')}\n`;
  }
}

/** RFC 4180. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function* asJson({ columns, pieces }: Answer): AsyncGenerator<string> {
  const objectOf = (row: Row) =>
    Object.fromEntries(columns.map(({ name, type }, i) => [name, jsonOf(row[i] ?? null, type)]));
  let before = '[\n';
  for await (const rows of pieces) {
    for (const row of rows) {
      yield `${before}${JSON.stringify(objectOf(row))}`;
      before = ',\n';
    }
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}

async function* asMarkdown({ columns, pieces }: Answer): AsyncGenerator<string> {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  yield line(columns.map(({ name }) => markdownCell(name)));
  yield line(columns.map((column) => (isNumeric(column) ? '---:' : '---')));
  for await (const rows of pieces) {
    for (const row of rows)
      yield line(columns.map(({ type }, i) => markdownCell(textOf(row[i] ?? null, type))));
  }
}

/** What markdown, or the HTML that it may hold, would take for its own. */
function markdownCell(text: string): string {
  return printable(text)
    .replace(/[\\`*_[\]|]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}
