import type { CurationReport } from '../../../schemas/reports.ts';
import { shareChart } from '../charts.ts';
import { type Html, html, type Section } from '../html.ts';
import { count, languageName, percent, shareOf } from '../words.ts';

/** The mix of languages: requested against realised, of English and the rest, and of each other language. */
export function mixSection(report: CurationReport): Section {
  const { requested, realised, shortfalls, missing = [] } = report.mix;
  const planned = report.languages.some(({ requestedShare }) => requestedShare > 0);
  const rest = report.kept > 0 ? 1 - realised.english : 0;
  const english = report.languages.find(({ language }) => language === 'en')?.kept ?? 0;
  const body = html`<div class="scroll"><table><thead><tr><th scope="col">Group</th><th scope="col" class="number">Requested</th>
<th scope="col" class="number">Realised</th><th scope="col" class="number">Difference</th><th scope="col" class="number">Kept rows</th></tr></thead>
<tbody>${groupRow('English', planned ? requested.english : null, realised.english, english)}
${groupRow('All other languages', planned ? 1 - requested.english : null, rest, report.kept - english)}</tbody></table></div>
${shortfalls.length > 0 ? html`<p>The mix could not be met in full:</p><ul class="plain">${shortfalls.map((line) => html`<li>${line}</li>`)}</ul>` : null}
${missing.length > 0 ? missingTable(missing) : null}
${planned ? null : html`<p class="note">No mix was planned in this run: every row was kept.</p>`}
${report.balance ? balanceTable(report.balance) : null}
${languageChart(report)}`;
  return { id: 'mix', title: 'Mix of languages', body };
}

function groupRow(name: string, requested: number | null, realised: number, rows: number): Html {
  const asked = requested === null ? 'any' : percent(requested, 2);
  return html`<tr><th scope="row">${name}</th><td class="number">${asked}</td>
<td class="number">${percent(realised, 2)}</td><td class="number">${requested === null ? '' : difference(requested, realised)}</td><td class="number">${count(rows)}</td></tr>`;
}

/** What the data lacks for the mix, by language. */
function missingTable(missing: CurationReport['mix']['missing']): Html {
  return html`<div class="scroll${missing.length > 12 ? ' tall' : ''}" tabindex="0" role="region" aria-label="Rows that are missing to the mix"><table>
<thead><tr><th scope="col">Language</th><th scope="col" class="number">Asked for</th><th scope="col" class="number">Available</th>
<th scope="col" class="number">Missing</th></tr></thead><tbody>${missing.map(
    (
      row,
    ) => html`<tr><th scope="row">${row.language === '*' ? 'All other languages' : languageName(row.language)}</th>
<td class="number">${count(row.requested)}</td><td class="number">${count(row.available)}</td><td class="number">${count(row.missing)}</td></tr>
`,
  )}</tbody></table></div>`;
}

/** The most languages that the table of thresholds shows. */
const thresholdsShown = 20;

function balanceTable({ languages, tailShare }: NonNullable<CurationReport['balance']>): Html {
  const shown = languages.slice(0, thresholdsShown);
  const share = tailShare === null ? 'no English' : percent(tailShare, 1);
  return html`<p>Rows were balanced by their terms before the mix: those of a term with more rows than its language's
threshold were thinned out. Terms under it have ${share} of the matches. ${
    languages.length > shown.length
      ? html`The ${shown.length} languages with most terms of ${count(languages.length)}:`
      : null
  }</p>
<div class="scroll"><table><thead><tr><th scope="col">Language</th><th scope="col" class="number">Terms</th>
<th scope="col" class="number">Threshold, rows</th></tr></thead><tbody>${shown.map(
    (
      row,
    ) => html`<tr><th scope="row">${languageName(row.language)}</th><td class="number">${count(row.terms)}</td>
<td class="number">${count(row.threshold)}</td></tr>
`,
  )}</tbody></table></div>`;
}

function difference(requested: number, realised: number): string {
  const points = (realised - requested) * 100;
  return `${points > 0.0005 ? '+' : points < -0.0005 ? '−' : ''}${Math.abs(points).toFixed(2)} points`;
}

function languageChart(report: CurationReport): Html | null {
  const pairs = report.languages
    .filter(({ language, kept, requestedShare }) => language !== 'en' && (kept > 0 || requestedShare > 0))
    .map(({ language, kept, requestedShare }) => ({
      language,
      name: languageName(language),
      bar: shareOf(kept, report.kept),
      mark: requestedShare,
    }));
  if (pairs.length === 0) return null;
  return shareChart(
    pairs,
    { bar: 'realised', mark: 'requested' },
    {
      title: 'Languages other than English',
      note: `Share of all kept rows, ${pairs.length} languages.`,
      label: `Bar chart: realised and requested share of ${pairs.length} languages other than English`,
      x: 'Language',
      y: 'Share',
    },
  );
}
