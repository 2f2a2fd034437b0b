import { importProgramOf } from '../../pipeline/import-program.js';

await importProgramOf('tests/engines/faulty-worker', 'tests/engines');
