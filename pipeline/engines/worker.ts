import sharp from 'sharp';
import { createTaskRunner } from '../curation/tasks/execute.ts';
import { serveTasks } from './serve.ts';

// Images are decoded several at a time, and by several processes: one thread each is enough.
sharp.concurrency(1);
sharp.cache(false);
serveTasks(createTaskRunner({ processes: Number(process.argv[2] ?? 1) }));
