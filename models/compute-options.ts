import { z } from 'zod';

/** What models run on. */
export const computeOptionsSchema = z.strictObject({
  /** `onnx` runs each program as one traced graph; `tensorflow` runs it op by op, on a package found at run time. */
  executor: z.enum(['onnx', 'tensorflow']).default('onnx'),
  /**
   * Of `onnx`, `cpu` unless told: the same machine then gives the same bits. `auto` takes `cuda`, else `webgpu`, where
   * it starts and is faster than the processor. Of `tensorflow`, `auto` unless told: with a GPU where one is seen.
   */
  provider: z.enum(['auto', 'cpu', 'webgpu', 'cuda']).optional(),
  /** Threads of the processor; the machine's cores when absent. */
  threads: z.int().positive().optional(),
});

/** What models run on, with the defaults filled in. */
export type ComputeOptions = z.infer<typeof computeOptionsSchema>;
