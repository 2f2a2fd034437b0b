import { createRequire } from 'node:module';
import { sep } from 'node:path';
import type { Plugin } from 'vite';

const kitLibrary = `notebook-kit${sep}dist${sep}src${sep}runtime${sep}stdlib${sep}`;
const resolve = createRequire(import.meta.url).resolve;

/** What a cell finds by name without importing it, from this machine's packages. */
const builtIns = `
export const Plot = () => import(${JSON.stringify('@observablehq/plot')});
export const Inputs = () => import(${JSON.stringify('virtual:assay-inputs')});
`;

const inputs = `
import ${JSON.stringify(resolve('@observablehq/inputs/dist/index.css'))};
export * from '@observablehq/inputs';
`;

/** Stands for what would have to be fetched: archives and workbooks, which no page here reads. */
const elsewhere = '\0virtual:assay-elsewhere';

/**
 * Keeps pages from asking anybody for anything: the notebook kit's own libraries, which it would fetch from a content
 * network when a page is open, are those that were installed, and its sample data is left out.
 */
export function offline(): Plugin {
  return {
    name: 'assay-offline',
    enforce: 'pre',
    resolveId(id) {
      if (id.startsWith('https://')) return elsewhere;
      return id === 'virtual:assay-inputs' ? `\0${id}` : null;
    },
    load(id) {
      if (id === '\0virtual:assay-inputs') return inputs;
      if (id === elsewhere) return 'export default undefined;';
      const [path = ''] = id.split('?');
      if (path.endsWith(`${kitLibrary}recommendedLibraries.js`)) return builtIns;
      if (path.endsWith(`${kitLibrary}sampleDatasets.js`)) return 'export {};';
      return null;
    },
  };
}
