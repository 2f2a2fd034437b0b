import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { type AdamOptions, adamStep, learningRateAt } from '../../models/adam.ts';
import type { Program } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { normals, worst } from './toy-towers.ts';

describe('the learning rate', () => {
  const schedule = { peak: 0.5, warmup: 4, total: 24 };
  const rates = Array.from({ length: 30 }, (_, step) => learningRateAt(step, schedule));

  it('rises evenly to the peak at the end of the warm-up', () => {
    expect(rates.slice(0, 5)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5].map((rate) => expect.closeTo(rate, 10)));
  });
  it('falls along a cosine', () => {
    expect(rates[14]).toBeCloseTo(0.25, 10);
    expect(rates[9]).toBeCloseTo(0.25 * (1 + Math.SQRT1_2), 10);
    for (let step = 5; step < 24; step += 1) expect(rates[step]).toBeLessThan(rates[step - 1] ?? 0);
  });
  it('is 0 from the end on', () => {
    expect(rates.slice(24)).toEqual([0, 0, 0, 0, 0, 0]);
  });
  it('starts at the peak without a warm-up', () => {
    expect(learningRateAt(0, { peak: 2, warmup: 0, total: 10 })).toBe(2);
  });
  it('takes a schedule that is all warm-up', () => {
    expect(learningRateAt(4, { peak: 1, warmup: 4, total: 4 })).toBe(0);
  });
});

describe('adamStep', () => {
  const size = 7;
  const decays = Float32Array.of(1, 1, 1, 1, 0, 0, 0);

  async function steps(options: AdamOptions, gradients: readonly Float32Array[], rate: number) {
    const vector = { shape: [size], dtype: 'float32' } as const;
    const scalar = { shape: [], dtype: 'float32' } as const;
    const program: Program = {
      name: 'adam',
      inputs: { p: vector, g: vector, m: vector, v: vector, rate: scalar, c1: scalar, c2: scalar },
      build: ({ p, g, m, v, rate: learningRate, c1, c2 }) => {
        if (!p || !g || !m || !v || !learningRate || !c1 || !c2) throw new Error('inputs are missing');
        return adamStep(
          {
            parameters: p,
            gradients: g,
            first: m,
            second: v,
            decays: tf.tensor1d(decays),
            learningRate,
            firstCorrection: c1,
            secondCorrection: c2,
          },
          options,
        );
      },
    };
    const compiled = await createOnnxExecutor({ threads: 1 }).compile(program);
    const wrap = (data: Float32Array | Int32Array | undefined) =>
      ({ shape: [size], dtype: 'float32', data: data as Float32Array }) as const;
    const one = (value: number) => ({ shape: [], dtype: 'float32', data: Float32Array.of(value) }) as const;
    let state = {
      p: wrap(normals(size, 'p')),
      m: wrap(new Float32Array(size)),
      v: wrap(new Float32Array(size)),
    };
    const norms: number[] = [];
    for (const [i, g] of gradients.entries()) {
      const out = await compiled.run({
        ...state,
        g: wrap(g),
        rate: one(rate),
        c1: one(1 / (1 - options.beta1 ** (i + 1))),
        c2: one(1 / (1 - options.beta2 ** (i + 1))),
      });
      state = { p: wrap(out.parameters?.data), m: wrap(out.first?.data), v: wrap(out.second?.data) };
      norms.push(out.gradientNorm?.data[0] ?? Number.NaN);
    }
    await compiled.dispose();
    return { p: state.p.data, norms };
  }

  /** AdamW with clipping, in double precision, an element at a time. */
  function reference(options: AdamOptions, gradients: readonly Float32Array[], rate: number): number[] {
    const p = [...normals(size, 'p')];
    const [m, v] = [new Array<number>(size).fill(0), new Array<number>(size).fill(0)];
    for (const [t, gradient] of gradients.entries()) {
      const norm = Math.hypot(...gradient);
      const clip = norm > options.clipNorm ? options.clipNorm / norm : 1;
      for (let i = 0; i < size; i += 1) {
        const g = (gradient[i] ?? 0) * clip;
        m[i] = options.beta1 * (m[i] ?? 0) + (1 - options.beta1) * g;
        v[i] = options.beta2 * (v[i] ?? 0) + (1 - options.beta2) * g * g;
        const mean = (m[i] ?? 0) / (1 - options.beta1 ** (t + 1));
        const square = (v[i] ?? 0) / (1 - options.beta2 ** (t + 1));
        const decay = options.weightDecay * (decays[i] ?? 0) * (p[i] ?? 0);
        p[i] = (p[i] ?? 0) - rate * (mean / (Math.sqrt(square) + (options.epsilon ?? 1e-8)) + decay);
      }
    }
    return p;
  }

  const gradients = ['g1', 'g2', 'g3'].map((seed) => normals(size, seed));

  it.each([
    ['plain', { weightDecay: 0, clipNorm: 1e9 }],
    ['with decay', { weightDecay: 0.3, clipNorm: 1e9 }],
    ['with clipping', { weightDecay: 0.3, clipNorm: 0.5 }],
    ['with another epsilon', { weightDecay: 0, clipNorm: 1e9, epsilon: 0.1 }],
  ])('agrees with the algorithm, %s', async (_, rest) => {
    const options = { beta1: 0.9, beta2: 0.95, ...rest };
    const { p } = await steps(options, gradients, 0.1);
    expect(worst(p, reference(options, gradients, 0.1))).toBeLessThan(1e-6);
  });

  it('reports the norm before clipping', async () => {
    const { norms } = await steps({ beta1: 0.9, beta2: 0.95, weightDecay: 0, clipNorm: 0.5 }, gradients, 0.1);
    expect(
      worst(
        norms,
        gradients.map((g) => Math.hypot(...g)),
      ),
    ).toBeLessThan(1e-5);
  });

  it('leaves weights where they are when all gradients are 0', async () => {
    const options = { beta1: 0.9, beta2: 0.95, weightDecay: 0, clipNorm: 1 };
    const { p } = await steps(options, [new Float32Array(size)], 0.1);
    expect(p).toEqual(normals(size, 'p'));
  });
});
