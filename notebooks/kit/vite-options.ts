import type { DuckDBConnection } from '@duckdb/node-api';
import { config, observable } from '@observablehq/notebook-kit/vite';
import type { InlineConfig } from 'vite';
import { answerCells } from './answer-cells.ts';
import { offline } from './offline.ts';

/** How Vite reads the notebooks in a folder, whose cells of SQL `connection` answers. */
export function viteOptions(root: string, connection: DuckDBConnection): InlineConfig {
  const kit = observable({
    async transformNotebook(notebook, context) {
      await answerCells(notebook, context.filename, connection);
      return notebook;
    },
  });
  const shared = config();
  const aliases = shared.resolve?.alias;
  // Those that resolve by themselves stand for packages on a content network, which no page here asks.
  const alias = Array.isArray(aliases) ? aliases.filter(({ customResolver }) => !customResolver) : [];
  return { ...shared, resolve: { alias }, configFile: false, root, plugins: [offline(), kit] };
}
