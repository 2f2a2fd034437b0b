import type { CurationReport, DistillReport } from '../../../schemas/reports.ts';
import { type Html, html, type Section } from '../html.ts';
import { reasonWords, stageTitle } from '../reasons.ts';
import { count, counted, percent, shareOf } from '../words.ts';

interface Step {
  readonly name: string;
  readonly in: number;
  readonly out: number;
  /** The share of the bar's track that is filled. */
  readonly filled: number;
  readonly left: readonly { readonly reason: string; readonly rows: number; readonly kind: string }[];
}

/** From read to kept, stage by stage, with the reasons of what left; and on to selected, given a distillation. */
export function funnelSection(report: CurationReport, distilled?: DistillReport): Section {
  const steps = curationSteps(report);
  const shards = report.quarantinedShards;
  const body = html`<p>Rows into each stage and out of it, with the reasons of those that left. Dropped rows are sound
but not wanted; quarantined ones are bad data.</p>
<ol class="funnel">${steps.map(stepItem)}${distilled ? stepItem(selectionStep(distilled)) : null}</ol>
${shards > 0 ? html`<p class="note">${counted(shards, 'whole shard')} could not be read; no row of theirs is counted.</p>` : null}
${distilled ? html`<p class="note">The last bar starts anew: a training run draws pairs from the kept rows over and over.</p>` : null}`;
  return { id: 'funnel', title: distilled ? 'From read to selected' : 'From read to kept', body };
}

function curationSteps(report: CurationReport): Step[] {
  const { reasons } = report;
  return report.stages.map((figures, i) => ({
    name: stageTitle(figures.stage),
    // Rows that couldn't be decoded never came out of the reader, which counts what it yields.
    in: i === 0 ? report.read : figures.in,
    out: figures.out,
    filled: shareOf(figures.out, report.read),
    left: [
      ...reasons.quarantined.map((reason) => ({ ...reason, kind: 'quarantined' })),
      ...reasons.dropped.map((reason) => ({ ...reason, kind: 'dropped' })),
    ]
      .filter(({ stage }) => stage === figures.stage)
      .sort((a, b) => b.rows - a.rows),
  }));
}

function selectionStep(report: DistillReport): Step {
  const steps = report.learners.find((learner) => learner.name === 'selected')?.steps ?? 0;
  const [offered, selected] = [steps * report.superBatch, steps * report.batch];
  return {
    name: `Super-batches to selected batches, ${counted(steps, 'step')}`,
    in: offered,
    out: selected,
    filled: shareOf(selected, offered),
    left: [{ reason: `not selected by ${report.method}`, rows: offered - selected, kind: 'left for later' }],
  };
}

function stepItem(step: Step): Html {
  const gone = step.in - step.out;
  const change = gone > 0 ? `−${count(gone)} (${percent(shareOf(gone, step.in))})` : 'all go on';
  return html`<li><div class="line"><b>${step.name}</b>
<span class="rows">${count(step.in)} → ${count(step.out)} <span class="soft">${change}</span></span></div>
<div class="track" aria-hidden="true"><i style="width:${(step.filled * 100).toFixed(2)}%"></i></div>
${step.left.length > 0 ? html`<ul class="reasons">${step.left.map(({ reason, rows, kind }) => html`<li><span class="number">${count(rows)}</span><span>${reasonWords(reason)} · ${kind}</span></li>`)}</ul>` : null}</li>`;
}
