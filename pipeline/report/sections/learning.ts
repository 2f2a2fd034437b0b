import type { DistillReport, EvaluationScores, LearnerReport } from '../../../schemas/reports.ts';
import { type Line, lineChart } from '../charts.ts';
import { comparisonSentence, learnerNamed } from '../compare.ts';
import { type Html, type HtmlValue, html, type Section } from '../html.ts';
import { count, counted, duration, languageName, percent } from '../words.ts';

const looks = {
  selected: { colour: 'var(--first)', dashed: false },
  uniform: { colour: 'var(--second)', dashed: true },
} as const;

type CurvePoint = LearnerReport['curve'][number];

/** The two learners beside each other: figures, learning curves, languages. */
export function learningSection(report: DistillReport): Section {
  const body = html`<p>${comparisonSentence(report)}</p>
${scoresTable(report)}
<div class="charts">${learningCharts(report)}</div>
${languagesTable(report)}`;
  return { id: 'learning', title: 'Learning curves: selected and uniform', body };
}

/** Recall@1 against steps and against seconds, and the loss; recall only where a learner was evaluated. */
export function learningCharts({ learners }: DistillReport): Html[] {
  const linesOf = (x: (point: CurvePoint) => number, y: (point: CurvePoint) => number | null): Line[] =>
    learners.map(({ name, curve }) => ({
      name,
      ...looks[name],
      points: curve.flatMap((point) => {
        const value = y(point);
        return value === null || !Number.isFinite(value) ? [] : [{ x: x(point), y: value }];
      }),
    }));
  const recall = (point: CurvePoint) => point.evaluation?.recallAt1 ?? null;
  const evaluated = learners.some(({ curve }) => curve.some((point) => point.evaluation));
  const loss = lineChart(
    linesOf(
      (point) => point.step,
      (point) => point.loss,
    ),
    {
      title: 'Loss by step',
      note: 'Of each run’s own batches: selected ones are chosen to be harder, so the two are not one scale.',
      label: 'Line chart: training loss against step, selected and uniform runs',
      x: 'Step',
      y: 'Loss',
    },
  );
  if (!evaluated) return [loss];
  return [
    lineChart(
      linesOf((point) => point.step, recall),
      {
        title: 'Recall@1 by step',
        note: 'English names, held-out images.',
        label: 'Line chart: recall@1 against step, selected and uniform runs',
        x: 'Step',
        y: 'Recall@1',
        share: true,
      },
    ),
    lineChart(
      linesOf((point) => point.seconds, recall),
      {
        title: 'Recall@1 by time',
        note: 'Wall-clock seconds of each run: scoring of super-batches included, evaluation left out.',
        label: 'Line chart: recall@1 against seconds, selected and uniform runs',
        x: 'Seconds',
        y: 'Recall@1',
        share: true,
      },
    ),
    loss,
  ];
}

type Figure = (scores: EvaluationScores) => number | undefined;

const figures: readonly { readonly name: string; readonly of: Figure }[] = [
  { name: 'Recall@1', of: (scores) => scores.recallAt1 },
  { name: 'Recall@5', of: (scores) => scores.recallAt5 },
  { name: 'Languages’ mean @1', of: (scores) => scores.languages?.recallAt1 },
  { name: 'Languages’ mean @5', of: (scores) => scores.languages?.recallAt5 },
  { name: 'Zero-shot', of: (scores) => scores.zeroShot },
];

function scoresTable(report: DistillReport): Html {
  const rows = report.learners.map((learner) => {
    const others = report.learners.filter((other) => other !== learner);
    const cells = figures.map(({ of }) => scoreCell(of, learner, others));
    return html`<tr><th scope="row">${learner.name}</th>${cells}<td class="number">${learner.finalLoss.toFixed(3)}</td>
<td class="number">${count(learner.steps)}</td><td class="number">${duration(learner.seconds)}</td>
<td class="number">${learner.flops === null ? '' : (learner.flops / 1e12).toFixed(2)}</td></tr>`;
  });
  const teacher = report.teacherAgreement;
  const scored = report.learners.find(({ evaluation }) => evaluation)?.evaluation ?? teacher;
  return html`<div class="scroll"><table><thead><tr><th scope="col">Run</th>${figures.map(({ name }) => html`<th scope="col" class="number">${name}</th>`)}
<th scope="col" class="number">Last loss</th><th scope="col" class="number">Steps</th><th scope="col" class="number">Time</th><th scope="col" class="number">TFLOP</th></tr></thead>
<tbody>${rows}${teacher ? html`<tr><th scope="row">teacher</th>${figures.map(({ of }) => numberCell(of(teacher)))}<td></td><td></td><td></td><td></td></tr>` : null}</tbody></table></div>
<p class="note">${scoredNote(scored)}</p>`;
}

function scoredNote(scores: EvaluationScores | null | undefined): string {
  if (!scores) return 'No held-out images were given, so nothing was evaluated.';
  const mean = scores.languages
    ? ` The languages’ mean is over ${counted(scores.languages.count, 'language')}.`
    : '';
  return `Scored on ${counted(scores.images, 'held-out image')}; the better of the two runs is bold.${mean}`;
}

function scoreCell(of: Figure, learner: LearnerReport, others: readonly LearnerReport[]): Html {
  const own = learner.evaluation ? of(learner.evaluation) : undefined;
  const best = others.every(({ evaluation }) => (own ?? 0) > ((evaluation && of(evaluation)) ?? 0));
  return numberCell(own, others.length > 0 && best ? 'number better' : 'number');
}

function numberCell(share: number | undefined, className = 'number'): Html {
  return html`<td class="${className}">${share === undefined ? '–' : percent(share)}</td>`;
}

function languagesTable(report: DistillReport): HtmlValue {
  const selected = learnerNamed(report, 'selected')?.evaluation?.languages?.perLanguage;
  const uniform = learnerNamed(report, 'uniform')?.evaluation?.languages?.perLanguage;
  if (!selected || !uniform) return null;
  const rows = Object.entries(selected).toSorted(([, a], [, b]) => b.recallAt1 - a.recallAt1);
  return html`<details><summary>Recall of each language</summary><div class="scroll tall" tabindex="0" role="region" aria-label="Table of recall by language"><table><thead><tr>
<th scope="col">Language</th><th scope="col">Code</th><th scope="col" class="number">Names</th><th scope="col" class="number">Selected @1</th>
<th scope="col" class="number">Uniform @1</th><th scope="col" class="number">Selected @5</th><th scope="col" class="number">Uniform @5</th></tr></thead>
<tbody>${rows.map(
    ([
      language,
      scores,
    ]) => html`<tr><th scope="row">${languageName(language)}</th><td><code>${language}</code></td>
<td class="number">${count(scores.names)}</td>${numberCell(scores.recallAt1)}${numberCell(uniform[language]?.recallAt1)}
${numberCell(scores.recallAt5)}${numberCell(uniform[language]?.recallAt5)}</tr>
`,
  )}</tbody></table></div></details>`;
}
