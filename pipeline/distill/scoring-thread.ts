import { parentPort, workerData } from 'node:worker_threads';
import { createEmbedder } from '../../models/embedder.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createScorer, type ScoringAnswer, type ScoringRequest, type ScoringThreadData } from './scorer.ts';

if (parentPort === null) throw new Error('this file is the code of a thread');
const port = parentPort;
const { config, parameters, imagePool, threads } = workerData as ScoringThreadData;
const executor = createOnnxExecutor({ threads });
const embedder = await createEmbedder({ executor, config, parameters, imagePool, frozen: false });
const scorer = createScorer(embedder, config.patchSize);

port.on('message', (request: ScoringRequest) => {
  if (request === null) {
    scorer.dispose().finally(() => port.close());
    return;
  }
  scorer
    .score(request.superBatch, request.parameters)
    .then(
      (rows): ScoringAnswer => ({ rows, flops: scorer.flops() }),
      (error: unknown): ScoringAnswer => ({ error: error instanceof Error ? error.message : String(error) }),
    )
    .then((answer) => port.postMessage(answer));
});

port.postMessage('ready');
