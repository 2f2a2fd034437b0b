import { mkdir } from 'node:fs/promises'; import { existsSync } from 'node:fs';
import { makeFacts } from './bench/reduction/make-facts.ts';
import { reductionSteps } from './bench/reduction/steps.ts';
const folder = '/tmp/zz10m'; const N = 10_000_000;
const p = (n) => `${folder}/${n}.parquet`;
const made = existsSync(p('terms')) ? { facts: p('facts'), fingerprints: p('fingerprints'), texts: p('texts'), terms: p('terms'), duplicates: 0 } : (await mkdir(folder, { recursive: true }), await makeFacts(folder, N));
const s = reductionSteps(folder, made); const log = (n, t) => console.log(n, ((performance.now() - t) / 1000).toFixed(1), (process.memoryUsage().rss / 1e6).toFixed(0));
let t = performance.now();
if (!existsSync(p('ranks'))) { await s.rank(); log('rank', t); t = performance.now(); }
if (process.argv[2] !== 'decide') { await s.pairs(); log('pairs', t); t = performance.now(); }
console.log(await s.decide()); log('decide', t); console.log(process.resourceUsage().maxRSS / 1e3);
