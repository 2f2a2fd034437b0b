// A thread doesn't know of the loader that reads TypeScript: it registers its own (pipeline/cli/assay.js).
import { register } from 'tsx/esm/api';

register();
await import('./scoring-thread.ts');
