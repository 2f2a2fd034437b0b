import { importProgram } from '../import-program.js';

await importProgram('pipeline/distill/scoring-thread');
