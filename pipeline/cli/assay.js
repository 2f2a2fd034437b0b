#!/usr/bin/env node
// The program is TypeScript, and nothing is built at install: docs/decisions/running-typescript.md.
import { importProgram } from '../import-program.js';

await importProgram('pipeline/cli/main');
