import type { DistillReport } from '../../../schemas/reports.ts';
import { type Line, lineChart, shareChart } from '../charts.ts';
import { type Html, html, type Section } from '../html.ts';
import type { SelectionFacts } from '../selection-facts.ts';
import { count, counted, languageName, percent } from '../words.ts';

const thirds = [
  { name: 'first third of the steps', colour: 'var(--soft)', dashed: true },
  { name: 'second third', colour: 'var(--second)', dashed: false },
  { name: 'last third', colour: 'var(--first)', dashed: false },
] as const;

/** What was selected: languages against what was offered, and how the pairs' own scores moved. */
export function selectionSection(facts: SelectionFacts | null, report: DistillReport): Section {
  const { batch, superBatch, method, filterRatio } = report;
  const told = html`<p>Of every super-batch of ${count(superBatch)} pairs ${count(batch)} were selected by ${method}: a
filter ratio of ${percent(filterRatio)}.</p>`;
  const body = facts
    ? html`${told}<p>${counted(facts.pairs, 'selection')} of ${counted(facts.distinct, 'distinct pair')}; the one
selected most often, ${counted(facts.most, 'time')}.</p>
<div class="charts">${scoreChart(facts)}</div>${englishLine(facts)}${driftLine(report)}${languageChart(facts)}`
    : html`${told}<p class="note">No record of selections to show.</p>`;
  return { id: 'selection', title: 'What was selected', body };
}

function scoreChart({ bins, medians }: SelectionFacts): Html {
  const scores = [...new Set(bins.map(({ score }) => score))].toSorted((a, b) => a - b);
  const shareIn = (third: number, score: number) =>
    bins.find((bin) => bin.third === third && bin.score === score)?.share ?? 0;
  const lines: Line[] = thirds
    .map((look, third) => ({
      ...look,
      name: `${look.name}${medians[third] === undefined ? '' : ` (median ${medians[third].toFixed(2).replace('-', '−')})`}`,
      points:
        medians[third] === undefined ? [] : scores.map((score) => ({ x: score, y: shareIn(third, score) })),
    }))
    .filter(({ points }) => points.length > 0);
  return lineChart(lines, {
    title: 'Own scores of the selected pairs',
    note: 'Learner’s loss on the pair less the teacher’s, where learnability selects.',
    label: 'Line chart: distribution of selected pairs’ own scores in each third of the steps',
    x: 'Own score',
    y: 'Share of pairs',
    share: true,
  });
}

function englishLine({ languages }: SelectionFacts): Html {
  const english = languages.find(({ language }) => language === 'en');
  const selected = percent(english?.selected ?? 0);
  const offered = english?.offered;
  return offered === null || offered === undefined
    ? html`<p>English is ${selected} of the selected pairs.</p>`
    : html`<p>English is ${selected} of the selected pairs; ${percent(offered)} of the offered ones.</p>`;
}

/** How far the mix moved, counted during the run. */
function driftLine({ drift }: DistillReport): Html | null {
  if (!drift) return null;
  const [most] = drift.moved;
  const furthest = most
    ? html` ${languageName(most.language)} moved most, from ${percent(most.offered)} to ${percent(most.selected)}.`
    : null;
  return html`<p>Selection moved ${percent(drift.totalVariation)} of the mix of languages (total variation, over
${counted(drift.pairs.selected, 'selection')} of ${counted(drift.pairs.offered, 'offered pair')}).${furthest}</p>`;
}

function languageChart({ languages }: SelectionFacts): Html | null {
  const others = languages.filter(({ language }) => language !== 'en');
  if (others.length === 0) return null;
  const pairs = others.map(({ language, selected, offered }) => ({
    language,
    name: languageName(language),
    bar: selected,
    mark: offered ?? 0,
  }));
  const known = others.some(({ offered }) => offered !== null);
  return shareChart(
    pairs,
    { bar: 'selected', mark: known ? 'offered' : null },
    {
      title: 'Languages selected against offered',
      note: known
        ? 'Share of all selected pairs, and of the super-batches they came from, English aside.'
        : 'Share of all selected pairs, English aside. The curated shards could not be read, so what was offered is not known.',
      label: `Bar chart: share of ${pairs.length} languages among selected and offered pairs`,
      x: 'Language',
      y: 'Share',
    },
  );
}
