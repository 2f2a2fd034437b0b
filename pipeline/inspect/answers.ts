import {
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api';

/** A column of an answer. */
export interface AnswerColumn {
  /** Its name; a second column of a name is told apart by a number. */
  readonly name: string;
  readonly type: DuckDBType;
}

/** What DuckDB answers, read in pieces so that an answer of any length can be passed on. */
export interface Answer {
  readonly columns: readonly AnswerColumn[];
  /** Rows, some at a time, each with one value a column. */
  readonly pieces: AsyncIterable<readonly (readonly DuckDBValue[])[]>;
}

/** Asks one statement. Throws what DuckDB throws. */
export async function answerOf(connection: DuckDBConnection, sql: string): Promise<Answer> {
  const result = await connection.stream(sql);
  const types = result.columnTypes();
  const columns = result.deduplicatedColumnNames().map((name, i) => ({ name, type: types[i] as DuckDBType }));
  async function* pieces() {
    for await (const chunk of result) yield chunk.getRows();
  }
  return { columns, pieces: pieces() };
}

/**
 * A value as JSON has it: whole numbers as numbers where they are exact and as text where not, floats by their
 * shortest digits, bytes in base64, everything else that JSON lacks as DuckDB writes it.
 */
export function jsonOf(value: DuckDBValue, type: DuckDBType): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return numberOf(value, type);
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof DuckDBDecimalValue) return value.toDouble();
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64');
  if (value instanceof DuckDBListValue) {
    const itemType = type.typeId === DuckDBTypeId.LIST ? type.valueType : undefined;
    return value.items.map((item) => (itemType ? jsonOf(item, itemType) : String(item)));
  }
  if (value instanceof DuckDBStructValue && type.typeId === DuckDBTypeId.STRUCT) {
    return Object.fromEntries(
      type.entryNames.map((name, i) => [
        name,
        jsonOf(value.entries[name] ?? null, type.entryTypes[i] as DuckDBType),
      ]),
    );
  }
  if (value instanceof DuckDBMapValue && type.typeId === DuckDBTypeId.MAP) {
    const { keyType, valueType } = type;
    return Object.fromEntries(
      value.entries.map((entry) => [textOf(entry.key, keyType), jsonOf(entry.value, valueType)]),
    );
  }
  return String(value);
}

/** A value as a line of text has it: lists and structs as JSON. A null is empty. */
export function textOf(value: DuckDBValue, type: DuckDBType): string {
  const json = jsonOf(value, type);
  if (json === null) return '';
  return typeof json === 'object' ? JSON.stringify(json) : String(json);
}

function numberOf(value: number, type: DuckDBType): number | string {
  if (!Number.isFinite(value)) return String(value);
  return type.typeId === DuckDBTypeId.FLOAT ? shortestFloat(value) : value;
}

/** The number of the fewest digits that is the same in single precision. */
function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

const numeric: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
]);

/** Whether a column is of figures, which are aligned to the right. */
export function isNumeric({ type }: AnswerColumn): boolean {
  return numeric.has(type.typeId);
}
