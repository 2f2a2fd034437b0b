import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ComputeOptions } from '../models/compute-options.ts';
import { openExecutor } from '../models/open-executor.ts';
import type { OpenTowers, TowersFacts } from '../models/siglip/open-towers.ts';
import type { Precision } from '../models/siglip/precisions.ts';
import { listOf, type Port } from '../models/siglip/tower-session.ts';
import { loadTeacher, type Teacher } from '../models/teacher.ts';
import type { Finding } from './doctor.ts';
import { UsageError } from './errors.ts';
import type { Progress } from './progress.ts';
import { resolveTeacher } from './teacher.ts';

/** What is examined. */
export interface ExamineModelOptions {
  /** A folder of ONNX towers, a checkpoint of our own, or the name of a model on its hub. */
  readonly model: string;
  readonly precision?: Precision | undefined;
  readonly provider?: ComputeOptions['provider'];
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** How long each of the two towers is timed; a second unless told. */
  readonly measuredMs?: number | undefined;
}

/** What a model is and does. */
export interface ModelReport {
  readonly model: string;
  readonly provider: string;
  readonly dimension: number;
  readonly imageSize: number;
  readonly scale: number;
  readonly bias: number;
  /** Of ONNX towers; null of a checkpoint in safetensors. */
  readonly towers:
    | (TowersFacts & {
        readonly bytes: number;
        readonly vision: TowerPorts;
        readonly text: TowerPorts;
        /** The token ids of the first check's text, pads left out. */
        readonly tokens: readonly number[];
      })
    | null;
  readonly check: SelfCheck;
  readonly imagesPerSecond: number;
  readonly textsPerSecond: number;
}

/** A tower's inputs and outputs, and the output that is used. */
interface TowerPorts {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly output: string;
}

/** What a picture and two texts came to. */
export interface SelfCheck {
  readonly texts: readonly string[];
  /** The cosine of the picture and each text. */
  readonly similarities: readonly number[];
  /** The probability that each text is the picture's: the sigmoid of scale x cosine + bias. */
  readonly probabilities: readonly number[];
  /** Whether the first text, the picture's own, is the nearer one. */
  readonly isRight: boolean;
  /** What is wrong with the embeddings themselves; null when they are sound. */
  readonly problem: string | null;
}

const texts = ['a red circle', 'a photo of a green forest'] as const;
const picture =
  '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240"><rect width="320" height="240" fill="#fff"/><circle cx="160" cy="120" r="90" fill="#e00000"/></svg>';
const limits = { maxPixels: 1_000_000, concurrency: 1 };
/** The least cosine of one image's embeddings alone and beside another; in 8-bit files they differ a little. */
const sameInBatch = 0.99;

/** Opens a model, runs it on a picture and two texts, and times it. Throws a {@link UsageError} when it can't be opened. */
export async function examineModel(options: ExamineModelOptions): Promise<ModelReport> {
  const { model, precision, provider, measuredMs = 1000 } = options;
  const path = await resolveTeacher(
    { checkpoint: model, precision, partWeight: 0 },
    'doctor',
    options,
    '--model',
  );
  const refuse = (error: Error): never => {
    throw new UsageError(`--model: ${error.message}`);
  };
  const executor = await openExecutor({ executor: 'onnx', provider }).catch(refuse);
  const teacher = await loadTeacher(path, executor, { precision }).catch(refuse);
  try {
    const { default: sharp } = await import('sharp');
    const image = await sharp(Buffer.from(picture)).png().toBuffer();
    const check = await selfCheck(teacher, image).catch(refuse);
    const batch = isTowers(teacher) ? teacher.vision.batch : 16;
    const images = new Array<Uint8Array>(batch).fill(image);
    const sentences = Array.from({ length: batch }, (_, i) => `${texts[i % 2]} ${i}`);
    const { dimension, imageSize, scale, bias } = teacher;
    return {
      model: resolve(path),
      provider: executor.provider,
      dimension,
      imageSize,
      scale,
      bias,
      towers: isTowers(teacher) ? await towersOf(teacher) : null,
      check,
      imagesPerSecond: await rateOf(batch, measuredMs, () => embed(teacher, images)),
      textsPerSecond: await rateOf(batch, measuredMs, () => teacher.embedTexts(sentences)),
    };
  } finally {
    await teacher.dispose();
  }
}

/** What the doctor says of a model. */
export function modelFindings(report: ModelReport): Finding[] {
  const { towers, check } = report;
  const assumed = towers?.logits.from === 'assumed';
  const shown = (values: readonly number[]) => values.map((value) => value.toPrecision(3)).join(' and ');
  const findings: Finding[] = [
    { what: 'model', found: report.model, ok: true },
    { what: 'kind', found: towers ? kindOf(towers) : 'a checkpoint of towers (safetensors)', ok: true },
    {
      what: 'images',
      found: towers ? resolutionOf(towers) : `${report.imageSize} x ${report.imageSize}`,
      ok: true,
    },
    { what: 'embeddings', found: `${report.dimension} values, made unit length`, ok: true },
  ];
  if (towers) {
    const others = towers.precisions.filter((one) => one !== towers.precision);
    const beside = others.length > 0 ? `; there are ${others.join(', ')} as well` : '';
    const tokens = towers.tokens.join(' ');
    const vocabulary = towers.vocabulary === null ? '' : ` of ${towers.vocabulary}`;
    findings.push(
      { what: 'precision', found: `${towers.precision}${beside}`, ok: true },
      {
        what: 'files',
        found: `${towers.files.length}, ${(towers.bytes / 2 ** 20).toFixed(1)} MiB`,
        ok: true,
      },
      { what: 'image tower', found: portsOf(towers.vision), ok: true },
      { what: 'text tower', found: portsOf(towers.text), ok: true },
      {
        what: 'tokenizer',
        found: `${towers.textTokens} tokens${vocabulary}; "${texts[0]}" is ${tokens}, then pads`,
        ok: true,
      },
    );
  }
  const logits = `scale ${report.scale.toFixed(2)}, bias ${report.bias.toFixed(2)}`;
  findings.push({
    what: 'scale and bias',
    found: towers ? `${logits} (${towers.logits.from})` : logits,
    ok: true,
    ...(assumed && {
      advice: `the model's own: assay.json in its folder, {"logitScale": exp(t), "logitBias": b}, or its model.safetensors`,
    }),
  });
  const compared = `cosines ${shown(check.similarities)}, probabilities ${shown(check.probabilities)} of "${texts.join('" and "')}"`;
  findings.push({
    what: 'a red circle',
    found: check.problem ?? `${compared}: the ${check.isRight ? 'right' : 'WRONG'} one is nearer`,
    ok: check.problem === null,
    ...(check.problem === null &&
      !check.isRight && {
        advice: 'a model of photos should tell the two apart: check its files and precision',
      }),
  });
  const [images, sentences] = [report.imagesPerSecond, report.textsPerSecond].map((rate) =>
    rate.toPrecision(3),
  );
  findings.push({
    what: 'speed',
    found: `${images} images/s and ${sentences} texts/s on ${report.provider}`,
    ok: true,
  });
  return findings;
}

async function selfCheck(teacher: Teacher, image: Uint8Array): Promise<SelfCheck> {
  const d = teacher.dimension;
  const { default: sharp } = await import('sharp');
  const other = await sharp(image).resize(90, 300, { fit: 'fill' }).negate().png().toBuffer();
  const [ofImage, ofTexts] = [await embed(teacher, [image]), await teacher.embedTexts(texts)];
  const besideOther = (await embed(teacher, [other, image])).subarray(d, 2 * d);
  const rows = [0, 1].map((i) => ofTexts.subarray(i * d, (i + 1) * d));
  const cosine = (a: Float32Array, b: Float32Array | undefined) =>
    a.reduce((sum, value, k) => sum + value * (b?.[k] ?? 0), 0);
  const similarities = rows.map((row) => cosine(ofImage, row));
  const norms = [ofImage, ...rows].map((row) => Math.sqrt(cosine(row, row)));
  let problem: string | null = null;
  if (![...norms, ...similarities].every(Number.isFinite)) problem = 'embeddings are not finite';
  else if (norms.some((norm) => Math.abs(norm - 1) > 1e-3)) problem = 'an embedding is zero';
  else if (rows[0]?.every((value, k) => value === rows[1]?.[k])) {
    problem = 'two different texts have the same embedding';
  } else if (cosine(ofImage, besideOther) < sameInBatch) {
    problem = "an image's embedding is another beside a second image: the graph was made for a batch of one";
  }
  return {
    texts,
    similarities,
    probabilities: similarities.map((value) => 1 / (1 + Math.exp(-(teacher.scale * value + teacher.bias)))),
    isRight: (similarities[0] ?? 0) > (similarities[1] ?? 0),
    problem,
  };
}

async function embed(teacher: Teacher, images: readonly Uint8Array[]): Promise<Float32Array> {
  const { embedEncoded } = await import('../models/teacher.ts');
  return embedEncoded(teacher, images, limits);
}

/** Samples a second, after a first run that warms up. */
async function rateOf(samples: number, measuredMs: number, run: () => Promise<unknown>): Promise<number> {
  await run();
  const started = performance.now();
  let runs = 0;
  let elapsed = 0;
  do {
    await run();
    runs += 1;
    elapsed = performance.now() - started;
  } while (elapsed < measuredMs);
  return (runs * samples * 1000) / elapsed;
}

function isTowers(teacher: Teacher): teacher is OpenTowers {
  return 'facts' in teacher;
}

async function towersOf({ facts, vision, text, tokenize }: OpenTowers): Promise<ModelReport['towers']> {
  const sizes = await Promise.all(facts.files.map(async (path) => (await stat(path)).size));
  const ports = ({ inputs, outputs, output }: TowerPorts) => ({ inputs, outputs, output });
  const tokens = [...tokenize([texts[0]])];
  const pad = tokens.at(-1);
  return {
    ...facts,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    vision: ports(vision),
    text: ports(text),
    tokens: tokens.slice(0, tokens.findLastIndex((id) => id !== pad) + 1),
  };
}

function kindOf({ kind, resolution }: TowersFacts): string {
  if (kind === 'assay') return 'a learner that assay distill exported';
  const name = kind === 'siglip' ? 'SigLIP' : 'SigLIP 2';
  return resolution.kind === 'naflex' ? `${name} NaFlex` : `${name}, fixed resolution`;
}

function resolutionOf({ resolution }: TowersFacts): string {
  if (resolution.kind === 'fixed') {
    return `${resolution.side} x ${resolution.side}, resized ${resolution.kernel}, antialiased`;
  }
  const { patchSize, sequenceLength } = resolution;
  return `of any shape, as at most ${sequenceLength} patches of ${patchSize} x ${patchSize}`;
}

function portsOf({ inputs, outputs, output }: TowerPorts): string {
  return `${listOf(inputs)} to ${listOf(outputs.filter(({ name }) => name === output))}`;
}
