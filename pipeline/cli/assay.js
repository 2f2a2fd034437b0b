#!/usr/bin/env node
// The program is TypeScript and runs as it is: nothing is built at install (docs/decisions/running-typescript.md).
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
