import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { computeOptionsSchema } from '../../models/compute-options.ts';
import type { Executor } from '../../models/executor.ts';
import { flatten } from '../../models/flat-parameters.ts';
import { findExecutors, openExecutor, type Presence } from '../../models/open-executor.ts';
import { findTensorflow, type LoadPackage } from '../../models/tensorflow-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { parameterShapes } from '../../models/towers.ts';
import { gradientProgram } from '../../models/train-program.ts';
import { normals, stirred, toyConfig } from './toy-towers.ts';

const options = (given: object) => computeOptionsSchema.parse(given);

describe('the executor onnx', () => {
  let found: Presence[];
  beforeAll(async () => {
    found = (await findExecutors(1)).filter(({ name }) => name === 'onnx');
  });

  it('is on the processor unless told otherwise', async () => {
    const executor = await openExecutor(options({ threads: 1 }));
    expect([executor.name, executor.provider]).toEqual(['onnx', 'cpu']);
  });

  it('opens every provider that is there, and says in one line what those that are not need', async () => {
    expect(found.map(({ provider }) => provider)).toEqual(['cpu', 'webgpu', 'cuda']);
    for (const { provider, executor } of found) {
      const opened = openExecutor(options({ provider }));
      if (executor) {
        expect((await opened).provider).toBe(provider);
      } else {
        const message = await opened.then(String, (error: Error) => error.message);
        expect(message).toMatch(new RegExp(`^the provider ${provider} doesn't start: .+ Get it: .*GPU`));
        expect(message).not.toContain('\n');
      }
    }
  });

  it('takes one that is there when it may choose', async () => {
    const { provider } = await openExecutor(options({ provider: 'auto' }));
    expect(found.filter(({ executor }) => executor).map((one) => one.provider)).toContain(provider);
  });
});

describe('the executor tensorflow', () => {
  const gpu = '@tensorflow/tfjs-node-gpu';
  const cpu = '@tensorflow/tfjs-node';
  const absent = (name: string) =>
    Object.assign(new Error(`Cannot find package '${name}' imported from here`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });

  /** Loads packages that are TF.js's own cpu backend under the name of the native one. */
  function loader(there: Readonly<Record<string, { readonly onGpu: boolean } | Error>>) {
    const asked: string[] = [];
    const load: LoadPackage = async (name) => {
      asked.push(name);
      const one = there[name] ?? absent(name);
      if (one instanceof Error) throw one;
      const Backend = tf.findBackend('cpu').constructor as new () => tf.KernelBackend;
      tf.registerBackend('tensorflow', () => Object.assign(new Backend(), { isUsingGpuDevice: one.onGpu }));
      tf.copyRegisteredKernels('cpu', 'tensorflow');
    };
    return { asked, load };
  }
  const open = (provider: 'auto' | 'cpu' | 'cuda' | 'webgpu' | undefined, load: LoadPackage) =>
    openExecutor(options({ executor: 'tensorflow', provider }), load);

  beforeAll(() => {
    tf.enableProdMode();
    return tf.setBackend('cpu');
  });
  const forget = () => {
    for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) {
      tf.unregisterKernel(kernelName, 'tensorflow');
    }
    if (tf.engine().backendNames().includes('tensorflow')) tf.removeBackend('tensorflow');
  };
  afterEach(forget);

  it('takes the package for GPUs where it loads', async () => {
    const { asked, load } = loader({ [gpu]: { onGpu: true }, [cpu]: { onGpu: false } });
    expect(await open(undefined, load)).toMatchObject({ name: 'tensorflow', provider: 'cuda' });
    expect(asked).toEqual([gpu]);
    expect(tf.getBackend()).toBe('cpu');
  });

  it('takes the other where the first is missing, or its native library is', async () => {
    const broken = new Error('libcudart.so.11.0: cannot open shared object file\nmore of it');
    for (const first of [absent(gpu), broken]) {
      const { asked, load } = loader({ [gpu]: first, [cpu]: { onGpu: false } });
      expect(await open('auto', load)).toMatchObject({ name: 'tensorflow', provider: 'cpu' });
      expect(asked).toEqual([gpu, cpu]);
      forget();
    }
  });

  it('asks only for the package that can do what is wanted', async () => {
    const both = { [gpu]: { onGpu: false }, [cpu]: { onGpu: false } };
    const processor = loader(both);
    expect((await open('cpu', processor.load)).provider).toBe('cpu');
    expect(processor.asked).toEqual([cpu]);
    forget();
    await expect(open('cuda', loader(both).load)).rejects.toThrow(/tfjs-node-gpu sees no GPU/);
    await expect(open('webgpu', loader(both).load)).rejects.toThrow(/not on webgpu/);
  });

  it('says in one line what is missing of each, and how to get it', async () => {
    const broken = new Error('libtensorflow.so.2: cannot open shared object file\nmore of it');
    const { load } = loader({ [cpu]: broken });
    const message = await open('auto', load).then(String, (error: Error) => error.message);
    expect(message).toContain(`${gpu} isn't installed`);
    expect(message).toContain(`${cpu} doesn't load: libtensorflow.so.2: cannot open shared object file`);
    expect(message).toContain('npm install --no-save @tensorflow/tfjs-node-gpu --ignore-scripts=false');
    expect(message).not.toContain('\n');
  });

  it('finds what is installed by itself, or says that it is not', async () => {
    const found = await findTensorflow('auto');
    expect(found.executor?.name ?? found).toEqual(
      found.executor
        ? 'tensorflow'
        : {
            executor: null,
            why: expect.stringMatching(/isn't installed|doesn't load/),
            advice: expect.stringContaining(gpu),
          },
    );
  });

  it('computes what the oracle computes, and leaves no tensor behind', async () => {
    const { load } = loader({ [cpu]: { onGpu: false } });
    const executor = await open('cpu', load);
    const data = flatten(parameterShapes(toyConfig), stirred(toyConfig));
    const inputs = {
      parameters: { shape: [data.length], dtype: 'float32', data },
      images: { shape: [2, 8, 8, 3], dtype: 'float32', data: normals(2 * 192, 'images') },
      tokens: { shape: [2, 16], dtype: 'int32', data: tokenize(['a', 'b'], 16) },
    } as const;
    const gradients = async (one: Executor) => {
      const compiled = await one.compile(gradientProgram({ config: toyConfig, batch: 2, tokens: 16 }));
      const held = await one.hold(inputs.parameters);
      const before = tf.memory().numTensors;
      const outputs = await compiled.run({ ...inputs, parameters: held });
      expect(tf.memory().numTensors).toBe(before);
      held.release();
      held.release();
      expect(tf.memory().numTensors).toBe(before - 1);
      return outputs;
    };
    expect(await gradients(executor)).toEqual(await gradients(createTfjsExecutor()));
  });
});
