import { createOnnxExecutor } from '/work/main/models/onnx-executor.ts';
import { loadTeacher } from '/work/main/models/teacher.ts';
import { createRandom } from '/work/main/schemas/random.ts';
import { formSuperBatches } from '/work/main/stages/form-super-batches.ts';
import { readSpool, createSpool } from '/work/main/pipeline/spool.ts';
import { prepareRows } from '/work/main/pipeline/distill/prepare.ts';
import { silentProgress } from '/work/main/pipeline/progress.ts';
import { normalizePixels } from '/work/main/models/pixels.ts';
import { readdirSync, mkdirSync } from 'node:fs';
const ck=process.argv[2]!;
const T=await loadTeacher(ck,createOnnxExecutor({threads:1}));
console.log('scale',T.scale,'bias',T.bias);
async function go(name:string,epoch:any){ const sb=formSuperBatches(epoch,{size:1000,english:1,shuffleRows:4000},createRandom('x')); const h=(await sb.next()).value!; const n=1000,d=T.dimension; const I=await T.embedImages(normalizePixels(h.pixels),n), X=await T.embedTexts(h.texts); let r=0,r5=0,own=0;const P:number[]=[]; const single:number[]=[]; for(let i=0;i<n;i++){let o=0;for(let k=0;k<d;k++)o+=I[i*d+k]!*X[i*d+k]!; let rank=0; for(let j=0;j<n;j++){ if(j===i||h.texts[j]===h.texts[i])continue; let x=0;for(let k=0;k<d;k++)x+=I[i*d+k]!*X[j*d+k]!; if(x>o)rank++;} if(rank<1)r++; if(rank<5)r5++; P.push(1/(1+Math.exp(-(T.scale*o+T.bias)))); } P.sort((a,b)=>a-b); console.log(name,'r1',r/n,'r5',r5/n,'own p q25/50/75/90',[.25,.5,.75,.9].map(q=>P[Math.floor(q*n)]!.toFixed(3)).join(' ')); }
await go('train',()=>readSpool('/tmp/expwork/prepared.arrows'));
const run={signal:new AbortController().signal,progress:silentProgress};
mkdirSync('/tmp/expval',{recursive:true}); const d=process.argv[3]??'/work/main/runs/ct/shards/'; const v=await prepareRows(readdirSync(d).map(f=>d+f),32,'/tmp/expval',run); await go('held',v.epoch);
process.exit(0);
