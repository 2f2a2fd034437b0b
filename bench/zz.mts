import { openShard } from '../schemas/parquet-reader.ts';
import { loadIdentifier } from '../models/language/identifier.ts';
import { createLanguageFinder, identifyOptionsSchema } from '../models/language/identify.ts';
const shard = await openShard('/tmp/C/meta200k.parquet');
const texts: Uint8Array[] = [];
for (const g of shard.rowGroups) { const { TEXT } = await shard.readRowGroup(g.index, ['TEXT']); for (const t of Array.from(TEXT as any)) texts.push(Buffer.from(t as any)); }
const id = await loadIdentifier(['fasttext','eld']);
const own = await loadIdentifier([]);
for (const [name, i] of [['own', own], ['all', id]] as const) for (let k=0;k<3;k++) {
  const f = createLanguageFinder(i, identifyOptionsSchema.parse({ members: name==='own'?[]:undefined }));
  const b = process.cpuUsage(); let und=0, en=0;
  for (const t of texts) { const r = f.findBytes(t, 0, t.length, null); und += +(r.language==='und'); en += +(r.language==='en'); }
  const c = process.cpuUsage(b); console.log(name, texts.length, und, en, ((c.user+c.system)/texts.length).toFixed(2), 'us');
}
