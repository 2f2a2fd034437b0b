import type { RunTables } from './run-tables.ts';

/** A defect that is planted, and the reasons for which a row that has it should be left out. */
const filters = {
  truncated: { defect: 'truncated', reasons: ['undecodable-image'] },
  empty: { defect: 'empty', reasons: ['empty-image'] },
  bombs: { defect: 'bombs', reasons: ['pixel-limit'] },
  minSide: { defect: 'tiny', reasons: ['too-small'] },
  aspect: { defect: 'extremeAspect', reasons: ['aspect'] },
} as const;

/**
 * Precision and recall of each filter of images: of the rows that are left out for its reasons, those with its defect;
 * of the rows with the defect, those that are left out for its reasons. A figure without any row to count is left out.
 */
export async function plantedFilters(tables: RunTables): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const [name, { defect, reasons }] of Object.entries(filters)) {
    const [counted] = await tables.rows(`
      WITH found AS (
        SELECT key FROM quarantined WHERE reason IN (${listed(reasons)})
        UNION SELECT key FROM dropped WHERE reason IN (${listed(reasons)})),
      planted AS (SELECT key FROM truth WHERE list_contains(defects, '${defect}'))
      SELECT (SELECT count(*) FROM found) AS found, (SELECT count(*) FROM planted) AS planted,
        (SELECT count(*) FROM found JOIN planted USING (key)) AS right`);
    const [found, planted, right] = [
      Number(counted?.found),
      Number(counted?.planted),
      Number(counted?.right),
    ];
    if (found > 0) figures[`${name}Precision`] = right / found;
    if (planted > 0) figures[`${name}Recall`] = right / planted;
  }
  return figures;
}

const listed = (texts: readonly string[]) => texts.map((text) => `'${text}'`).join(', ');
