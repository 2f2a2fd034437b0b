import { afterEach, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import type { TensorValue } from '../../models/executor.ts';
import { flatten, lengthOf } from '../../models/flat-parameters.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { initializeParameters, parameterShapes } from '../../models/towers.ts';
import { trainProgram } from '../../models/train-program.ts';
import { createTrainer, type Trainer, type TrainerOptions } from '../../models/trainer.ts';
import { createRandom } from '../../schemas/random.ts';
import { normals, toyConfig, worst } from './toy-towers.ts';

const batch = 6;
const options: TrainerOptions = {
  executor: createOnnxExecutor({ threads: 2 }),
  config: toyConfig,
  parameters: initializeParameters(toyConfig, createRandom(5)),
  optimizer: { weightDecay: 1e-4, beta1: 0.9, beta2: 0.95, clipNorm: 1 },
  batch,
  textTokens: 32,
};

function stepOf(i: number, width = 16) {
  const texts = Array.from({ length: batch }, (_, k) => `pair ${(i * 7 + k) % 11}`);
  return { images: normals(batch * 192, `images ${i}`), tokens: tokenize(texts, width), learningRate: 3e-3 };
}

const open: Trainer[] = [];
async function start(rest: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const trainer = await createTrainer({ ...options, ...rest });
  open.push(trainer);
  return trainer;
}
afterEach(async () => {
  for (const trainer of open.splice(0)) await trainer.dispose();
});

describe('the trainer', () => {
  it('learns the pairs of a batch', async () => {
    const trainer = await start();
    const losses: number[] = [];
    for (let i = 0; i < 60; i += 1) losses.push((await trainer.step(stepOf(0))).loss);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 4);
  });

  it('continues to the bit from its parameters and moments', async () => {
    const whole = await start();
    for (let i = 0; i < 6; i += 1) await whole.step(stepOf(i));
    const before = await start();
    for (let i = 0; i < 3; i += 1) await before.step(stepOf(i));
    const moments = await before.moments();
    expect(moments.step).toBe(3);
    const after = await start({ parameters: await before.parameters(), moments });
    for (let i = 3; i < 6; i += 1) await after.step(stepOf(i));
    expect(await after.parameters()).toEqual(await whole.parameters());
    expect(await after.moments()).toEqual(await whole.moments());
  });

  it('trains to the same bits as when every weight leaves the executor after every step', async () => {
    const trainer = await start();
    const layout = parameterShapes(toyConfig);
    const vector = (data: Float32Array) => ({ shape: [data.length], dtype: 'float32', data }) as const;
    const scalar = (value: number) =>
      ({ shape: [], dtype: 'float32', data: Float32Array.of(value) }) as const;
    let state: Record<string, TensorValue> = {
      parameters: vector(flatten(layout, options.parameters)),
      first: vector(new Float32Array(lengthOf(layout))),
      second: vector(new Float32Array(lengthOf(layout))),
    };
    for (const [i, tokens] of [16, 32, 16].entries()) {
      const step = stepOf(i, tokens);
      const program = await options.executor.compile(
        trainProgram({ config: toyConfig, batch, tokens }, options.optimizer),
      );
      const outputs = await program.run({
        ...state,
        images: { shape: [batch, 8, 8, 3], dtype: 'float32', data: step.images },
        tokens: { shape: [batch, tokens], dtype: 'int32', data: step.tokens },
        learningRate: scalar(step.learningRate),
        firstCorrection: scalar(1 / (1 - options.optimizer.beta1 ** (i + 1))),
        secondCorrection: scalar(1 / (1 - options.optimizer.beta2 ** (i + 1))),
      });
      await program.dispose();
      const { newParameters, newFirst, newSecond, loss, scaleLog, bias } = outputs;
      if (!newParameters || !newFirst || !newSecond) throw new Error('no weights');
      // Copies: nothing is left of the tensors that the executor had.
      const left = (value: TensorValue) => ({ ...value, data: value.data.slice() });
      state = { parameters: left(newParameters), first: left(newFirst), second: left(newSecond) };
      expect((await trainer.step(step)).loss).toBe(loss?.data[0]);
      expect(trainer.logits()).toEqual({ scale: Math.exp(scaleLog?.data[0] ?? 0), bias: bias?.data[0] });
    }
    expect(flatten(layout, await trainer.parameters())).toEqual(state.parameters?.data);
    const { first, second } = await trainer.moments();
    expect(flatten(layout, first)).toEqual(state.first?.data);
    expect(flatten(layout, second)).toEqual(state.second?.data);
  });

  it('counts the operations of its steps, fewer for narrower texts', async () => {
    const trainer = await start();
    expect(trainer.flops()).toBe(0);
    await trainer.step(stepOf(0, 32));
    const wide = trainer.flops() ?? Number.NaN;
    await trainer.step(stepOf(1, 32));
    expect(trainer.flops()).toBe(2 * wide);
    await trainer.step(stepOf(2, 16));
    const narrow = (trainer.flops() ?? Number.NaN) - 2 * wide;
    expect(narrow).toBeGreaterThan(0);
    expect(narrow).toBeLessThan(wide);
    const uncounted = await start({ executor: createTfjsExecutor() });
    await uncounted.step(stepOf(0));
    expect(uncounted.flops()).toBeNull();
  });

  it('moves weights by the learning rate in its first step, as corrected moments do', async () => {
    const trainer = await start({ optimizer: { ...options.optimizer, weightDecay: 0 } });
    await trainer.step(stepOf(0));
    for (const name of ['logit_bias', 'logit_scale_log']) {
      const [before = 0, after = 0] = [options.parameters, await trainer.parameters()].map(
        (all) => all[name]?.data[0],
      );
      expect(Math.abs(after - before)).toBeCloseTo(3e-3, 5);
    }
  });

  it('does not continue the same without the moments', async () => {
    const before = await start();
    for (let i = 0; i < 3; i += 1) await before.step(stepOf(i));
    const without = await start({ parameters: await before.parameters() });
    await before.step(stepOf(3));
    await without.step(stepOf(3));
    expect(await without.parameters()).not.toEqual(await before.parameters());
  });

  it("takes the steps that TF.js's own backend takes", async () => {
    const [fast, slow] = [await start(), await start({ executor: createTfjsExecutor() })];
    for (let i = 0; i < 2; i += 1) {
      const [a, b] = [await fast.step(stepOf(i)), await slow.step(stepOf(i))];
      expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-3);
      expect(Math.abs(a.gradientNorm - b.gradientNorm) / b.gradientNorm).toBeLessThan(1e-3);
    }
    // Adam's first steps are about the learning rate long whatever the gradient, down to rounding errors of 0.
    const [a, b] = [await fast.parameters(), await slow.parameters()];
    const moved = (name: string) => worst(a[name]?.data ?? [], b[name]?.data ?? []);
    expect(moved('image.patches.weight')).toBeLessThan(1e-3);
    expect(moved('logit_bias')).toBeLessThan(1e-6);
  });

  it('takes narrower texts, with the same result to rounding', async () => {
    const [narrow, wide] = [await start(), await start()];
    const [a, b] = [await narrow.step(stepOf(0, 16)), await wide.step(stepOf(0, 32))];
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-4);
  });

  it('does not change the parameters that it was given, or gave', async () => {
    const given = initializeParameters(toyConfig, createRandom(5));
    const trainer = await start({ parameters: given });
    const first = await trainer.parameters();
    await trainer.step(stepOf(0));
    expect(given).toEqual(options.parameters);
    expect(first).toEqual(options.parameters);
    expect(await trainer.parameters()).not.toEqual(first);
  });

  it('refuses batches of another size, and keeps its weights when a loss is not finite', async () => {
    const trainer = await start();
    const step = stepOf(0);
    await expect(trainer.step({ ...step, tokens: step.tokens.subarray(1) })).rejects.toThrow(
      /aren't 6 texts/,
    );
    await expect(trainer.step({ ...step, tokens: tokenize(['a'], batch * 48) })).rejects.toThrow(/1 to 32/);
    await expect(trainer.step({ ...step, images: step.images.subarray(1) })).rejects.toThrow(
      /'images' must be/,
    );
    await expect(trainer.step({ ...step, images: step.images.fill(Number.NaN) })).rejects.toThrow(
      /the loss is NaN/,
    );
    expect(await trainer.parameters()).toEqual(options.parameters);
    expect((await trainer.moments()).step).toBe(0);
  });

  it('refuses parameters that do not fit its towers', async () => {
    await expect(start({ config: { ...toyConfig, depth: 3 } })).rejects.toThrow(
      /image.blocks.2.* is missing/,
    );
    await expect(start({ config: { ...toyConfig, depth: 1 } })).rejects.toThrow(/image.blocks.1.* isn't one/);
    await expect(start({ textTokens: 65 })).rejects.toThrow(/more than the 64/);
  });
});
