import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { UsageError } from '../errors.ts';
import { answerOf } from './answers.ts';
import { formatAnswer, type TextFormat, textFormats } from './formats.ts';
import { type OpenRun, openRun } from './open-run.ts';
import { questions } from './questions/index.ts';
import { ask } from './run-views.ts';
import { cutStatements, isBlank, questionsOf, sqlMessage, statementsOf } from './statements.ts';
import { type ViewName, viewNames, views } from './views.ts';

/** How a prompt is opened. */
export interface PromptOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  readonly unrestricted: boolean;
  /** Where the lines of before are kept; nowhere where it is null. */
  readonly history: string | null;
}

const historyLines = 1000;

/** The user's file of lines of before: under XDG_STATE_HOME, or ~/.local/state. */
export function historyPath(): string {
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  return join(state, 'assay', 'inspect-history');
}

const help = `
A statement ends with ; and may go over several lines. Tab completes tables, columns and keywords.
  .views             the views and what they hold; .views rows lists the columns of one
  .questions         the ready questions; .ask funnel asks one
  .format csv        how answers are printed: ${textFormats.join(', ')}
  .quit              or Ctrl-D
`;

/**
 * Asks for SQL and answers it until the input ends, with the lines of before at hand. Mistakes are told and don't end
 * it; Ctrl-C stops a question that is being answered, or forgets what was typed.
 */
export async function prompt(folder: string, options: PromptOptions): Promise<void> {
  const run = await openRun(folder, { unrestricted: options.unrestricted });
  const { output, history } = options;
  const before = history === null ? [] : await readHistory(history);
  const terminal = 'isTTY' in options.input && options.input.isTTY === true;
  let typed = '';
  let format: TextFormat = 'table';
  let isAnswering = false;
  const lines = createInterface({
    input: options.input,
    output,
    terminal,
    history: [...before],
    historySize: historyLines,
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: Error | null, found: [string[], string]) => void) => {
      completionsOf(run, typed, line).then(
        (found) => done(null, found),
        () => done(null, [[], line]),
      );
    },
  });
  let latest: readonly string[] = before;
  lines.on('history', (all) => {
    latest = all;
  });
  lines.on('SIGINT', () => {
    if (isAnswering) run.connection.interrupt();
    else if (typed === '' && lines.line === '') lines.close();
    else {
      typed = '';
      output.write('\n');
      lines.write(null, { ctrl: true, name: 'u' });
      show(lines, typed);
    }
  });
  const answer = async (sql: string) => {
    isAnswering = true;
    try {
      const statements = options.unrestricted ? statementsOf(sql) : await questionsOf(run.connection, sql);
      for (const statement of statements) {
        for await (const text of formatAnswer(await answerOf(run.connection, statement), format))
          output.write(text);
      }
    } catch (error) {
      output.write(`${error instanceof UsageError ? error.message : sqlMessage(error)}\n`);
    } finally {
      isAnswering = false;
    }
  };
  const command = async (words: readonly string[]): Promise<boolean> => {
    const [name, of = ''] = words;
    if (name === '.quit' || name === '.exit') return false;
    if (name === '.views') output.write(viewLines(of));
    else if (name === '.questions') output.write(questionLines());
    else if (name === '.format' && isTextFormat(of)) format = of;
    else if (name === '.ask' && Object.hasOwn(questions, of)) await answer(questions[of]?.sql ?? '');
    else output.write(help);
    return true;
  };
  if (terminal) output.write(`${folder}: SQL over ${viewNames.join(', ')}\n.help tells more\n`);
  show(lines, typed);
  try {
    for await (const line of lines) {
      if (typed === '' && line.trim().startsWith('.')) {
        if (!(await command(line.trim().split(/\s+/)))) break;
      } else {
        const { statements, rest } = cutStatements(`${typed}${line}\n`);
        typed = isBlank(rest) ? '' : rest;
        for (const statement of statements) await answer(statement);
      }
      show(lines, typed);
    }
    if (!terminal && !isBlank(typed)) await answer(typed);
  } finally {
    lines.close();
    if (history !== null && terminal) await writeHistory(history, latest);
    await run.close();
  }
}

function show(lines: Interface, typed: string): void {
  if (!lines.terminal) return;
  lines.setPrompt(typed === '' ? 'assay> ' : '  ...> ');
  lines.prompt();
}

function isTextFormat(text: string): text is TextFormat {
  return (textFormats as readonly string[]).includes(text);
}

/** The views and what they hold, or the columns of one. */
export function viewLines(of = ''): string {
  const view = viewNames.find((name) => name === of);
  if (view === undefined) return listed(viewNames.map((name: ViewName) => [name, views[name].what]));
  const columns = Object.entries(views[view].columns) as [string, { type: string; what: string }][];
  return listed(columns.map(([name, { type, what }]) => [name, `${what} (${type.replace(/\(.*/, '')})`]));
}

/** The ready questions and what they answer. */
export function questionLines(): string {
  return listed(Object.entries(questions).map(([name, { description }]) => [name, description]));
}

function listed(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, what]) => `${name.padEnd(width)}  ${what}\n`).join('');
}

/**
 * What may follow at the end of a line: DuckDB's own suggestions (tables, columns, keywords, functions), where they
 * go on from what is typed.
 */
export async function completionsOf(
  run: Pick<OpenRun, 'connection'>,
  typed: string,
  line: string,
): Promise<[string[], string]> {
  if (typed === '' && line.startsWith('.')) {
    const [name, of] = /^(\.\w+)\s+(\w*)$/.exec(line)?.slice(1) ?? [line, null];
    if (of === null || of === undefined) {
      const names = ['.views', '.questions', '.ask', '.format', '.help', '.quit'];
      return [names.filter((command) => command.startsWith(line)), line];
    }
    const known = { '.views': viewNames, '.ask': Object.keys(questions), '.format': textFormats }[name ?? ''];
    return [(known ?? []).filter((candidate) => candidate.startsWith(of)), of];
  }
  const word = /[\w]*$/.exec(line)?.[0] ?? '';
  const rows = await ask(
    run.connection,
    'SELECT suggestion, suggestion_type AS kind FROM sql_auto_complete($sql)',
    { sql: `${typed}${line}` },
  );
  const found = rows.map((row) => {
    const text = String(row.suggestion).trim();
    const isName = row.kind !== 'keyword' && /^"\w+"$/.test(text);
    return isName ? text.slice(1, -1) : row.kind === 'keyword' ? text.toUpperCase() : text;
  });
  const own = (suggestion: string) => suggestion.toLowerCase().startsWith(word.toLowerCase());
  return [[...new Set(found.filter(own))].map((text) => inCaseOf(word, text)), word];
}

/** Keywords come in the case in which the word was begun. */
function inCaseOf(word: string, text: string): string {
  return text === text.toUpperCase() && /^[a-z]/.test(word) ? text.toLowerCase() : text;
}

async function readHistory(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, historyLines);
}

/** What was asked may be private: the file is the user's alone. A state folder that can't be written is let be. */
async function writeHistory(path: string, lines: readonly string[]): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    await chmod(path, 0o600);
  } catch {
    return;
  }
}
