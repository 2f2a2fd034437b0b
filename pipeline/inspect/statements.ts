import { type DuckDBConnection, StatementType } from '@duckdb/node-api';
import { UsageError } from '../errors.ts';

/** EXPLAIN, and what may follow it; nothing else may stand before or between. */
const explained =
  /^\s*explain(?:\s+analyze)?\s+(?=(?:select|with|from|values|summarize|describe|show|table)\b)/i;

/**
 * The statements of an SQL text, each a question. Throws a {@link UsageError} when one isn't: what writes, sets,
 * attaches, loads or calls anything isn't, and neither is EXPLAIN of such, which would run it.
 */
export async function questionsOf(connection: DuckDBConnection, sql: string): Promise<string[]> {
  const texts = statementsOf(sql);
  for (const text of texts) {
    const type = await typeOf(connection, text);
    if (type === StatementType.SELECT) continue;
    const inner = text.replace(explained, '');
    const isExplained = type === StatementType.EXPLAIN && inner !== text;
    if (isExplained && (await typeOf(connection, inner)) === StatementType.SELECT) continue;
    throw new UsageError(
      `${StatementType[type]} is refused: only questions are answered ` +
        '(SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN of them) unless --unrestricted is given',
    );
  }
  return texts;
}

/** The statements of an SQL text. Throws a {@link UsageError} when there is none. */
export function statementsOf(sql: string): string[] {
  const { statements, rest } = cutStatements(sql);
  const texts = isBlank(rest) ? statements : [...statements, rest];
  if (texts.length === 0) throw new UsageError('no question: give one such as SELECT count(*) FROM rows');
  return texts;
}

/** The kind of one statement, as DuckDB's own parser sees it. Throws a {@link UsageError} when it can't be read. */
async function typeOf(connection: DuckDBConnection, text: string): Promise<StatementType> {
  try {
    const extracted = await connection.extractStatements(text);
    if (extracted.count !== 1) throw new Error('PIVOT needs its values: PIVOT ... ON column IN (...)');
    const prepared = await extracted.prepare(0);
    const { statementType } = prepared;
    prepared.destroySync();
    return statementType;
  } catch (error) {
    throw new UsageError(sqlMessage(error));
  }
}

/** DuckDB's message about an SQL text: what is wrong, and where. */
export function sqlMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace('Failed to extract statements: ', '').trimEnd();
}

/** Quoted text (escaped, single, double, dollar), comments of a line, and the semicolons that are left. */
const tokens =
  /\b[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|(\$\w*\$)[\s\S]*?(?:\1|$)|--[^\n]*|\/\*|;/g;

/**
 * Cuts an SQL text at its semicolons, outside quotes and comments: the statements that one ends, without those that
 * are empty but for comments, and what comes after the last.
 */
export function cutStatements(sql: string): { readonly statements: string[]; readonly rest: string } {
  const token = new RegExp(tokens);
  const statements: string[] = [];
  let start = 0;
  for (let found = token.exec(sql); found !== null; found = token.exec(sql)) {
    if (found[0] === '/*') token.lastIndex = endOfComment(sql, found.index);
    if (found[0] !== ';') continue;
    statements.push(sql.slice(start, found.index));
    start = token.lastIndex;
  }
  return { statements: statements.filter((text) => !isBlank(text)), rest: sql.slice(start) };
}

/** Comments nest, as DuckDB's do. */
function endOfComment(sql: string, start: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = start;
  let depth = 0;
  for (let found = mark.exec(sql); found !== null; found = mark.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return sql.length;
}

/** Whether a text is nothing but space and comments. */
export function isBlank(text: string): boolean {
  let rest = text.trim();
  while (rest.startsWith('--') || rest.startsWith('/*')) {
    const end = rest.startsWith('--') ? rest.indexOf('\n') : endOfComment(rest, 0);
    rest = end === -1 ? '' : rest.slice(end).trim();
  }
  return rest === '';
}
