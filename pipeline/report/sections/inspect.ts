import { type Html, html, type Section } from '../html.ts';

/** The files of a curation run's folder, each with what it holds. */
export function curationFiles(folder: string): Html {
  return fileTable(
    folder,
    [
      ['shards/*.parquet', 'the kept rows, with language, text, regions and the teacher’s embeddings'],
      ['dropped/*.parquet', 'sound rows that were not wanted: key, stage, reason, value, threshold'],
      ['quarantine/*.parquet', 'bad data: key, shard, row group, row, stage, reason, detail'],
      ['manifest.json', 'the recipe, the input and output files with their sha256, the teacher'],
      ['report.json', 'every figure of this page'],
    ],
    curationQueries,
  );
}

/** The files of a distillation run's folder, each with what it holds. */
export function distillFiles(folder: string): Html {
  return fileTable(
    folder,
    [
      ['selections.parquet', 'each selected pair: step, chunk, key, language, scores'],
      ['metrics.jsonl', 'each training step of both runs'],
      ['checkpoints/*.safetensors', 'both learners’ weights'],
      ['export/*.onnx', 'the selected learner’s towers, one file each'],
      ['manifest.json', 'the recipe and the data'],
      ['report.json', 'every figure of this page'],
    ],
    distillQueries,
  );
}

/** How to look further: the folders' files, and queries to start from. */
export function inspectSection(folders: readonly Html[]): Section {
  const body = html`<p>Any tool that reads parquet opens the tables; the queries are for DuckDB, in the run’s folder.</p>${folders}`;
  return { id: 'inspect', title: 'Look further', body };
}

/** Queries of a curation run's folder to start from. */
const curationQueries = [
  "SELECT stage, reason, count(*) FROM 'dropped/*.parquet' GROUP BY ALL ORDER BY 3 DESC;",
  "SELECT shard, row_group, row, reason, detail FROM 'quarantine/*.parquet' LIMIT 20;",
  "SELECT language, count(*), avg(len(regions)) FROM 'shards/*.parquet' GROUP BY ALL ORDER BY 2 DESC;",
];

/** Queries of a distillation run's folder to start from. */
const distillQueries = [
  "SELECT key, count(*), avg(self_score) FROM 'selections.parquet' GROUP BY ALL ORDER BY 2 DESC LIMIT 20;",
];

function fileTable(
  folder: string,
  files: readonly (readonly [path: string, what: string])[],
  queries: readonly string[],
): Html {
  return html`<h3><code>${folder}</code></h3><div class="scroll"><table><tbody>${files.map(
    ([path, what]) => html`<tr><th scope="row"><code>${path}</code></th><td>${what}</td></tr>`,
  )}</tbody></table></div><pre>${queries.join('\n')}</pre>`;
}
