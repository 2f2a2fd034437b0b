import { importProgram } from '../import-program.js';

await importProgram('pipeline/engines/worker');
