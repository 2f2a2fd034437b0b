import type { CurationReport, LanguageReport } from '../../../schemas/reports.ts';
import { type Html, html, type Section } from '../html.ts';
import { count, languageName, percent } from '../words.ts';

/** Every language: rows seen, rows that could be kept, rows kept, their share. */
export function languagesSection(report: CurationReport): Section {
  const kept = report.languages.filter((row) => row.kept > 0 && row.language !== 'und').length;
  const body = html`<p>${count(report.languagesSeen)} languages were seen and ${count(kept)} are among the kept rows.
“Available” are the rows that the mix could take: duplicates aside.</p>
<div class="scroll tall" tabindex="0" role="region" aria-label="Table of languages"><table><thead><tr><th scope="col">Language</th><th scope="col">Code</th>
<th scope="col" class="number">Seen</th><th scope="col" class="number">Available</th><th scope="col" class="number">Kept</th>
<th scope="col" class="number">Share of kept</th><th scope="col" class="number">Requested</th></tr></thead>
<tbody>${report.languages.map(languageRow)}</tbody></table></div>`;
  return { id: 'languages', title: 'Languages', body };
}

function languageRow(row: LanguageReport): Html {
  return html`<tr><th scope="row">${languageName(row.language)}</th><td><code>${row.language}</code></td>
<td class="number">${count(row.seen)}</td><td class="number">${count(row.available)}</td><td class="number">${count(row.kept)}</td>
<td class="number">${percent(row.realisedShare, 2)}</td><td class="number">${percent(row.requestedShare, 2)}</td></tr>
`;
}
