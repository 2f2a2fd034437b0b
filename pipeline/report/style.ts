/** The pages' style sheet: two colour schemes, no fonts but the system's, narrow screens first. */
export const style = `
:root{--paper:#fbfaf7;--card:#fff;--ink:#22252a;--soft:#5d6470;--line:#dedbd3;--accent:#2f6f5e;--bar:#8fb8aa;
--first:#b4501e;--second:#3566a8;--good:#2f6f5e;--bad:#b3261e;--box1:#d62828;--box2:#1d70b8;--box3:#2a7f3f;
--box4:#8a3fa0;--box5:#b35c00;--box6:#00727a}
@media (prefers-color-scheme:dark){:root{--paper:#16181b;--card:#1e2125;--ink:#e6e4df;--soft:#a2a8b1;--line:#353a41;
--accent:#7fc4ad;--bar:#3f7566;--first:#f0935f;--second:#82b1f0;--good:#7fc4ad;--bad:#ff8a80}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:72rem;padding:1.25rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
header{padding:1rem 0 .5rem}
h1{font-size:1.9rem;line-height:1.15;margin:0 0 .75rem;letter-spacing:-.015em;font-weight:650}
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .5rem;letter-spacing:-.01em;font-weight:650}
h3{font-size:1.02rem;margin:1.75rem 0 .5rem;font-weight:650}
p{max-width:46rem;margin:.4rem 0 1rem}
.soft,figcaption,.note{color:var(--soft);font-size:.9rem}
.verdict{max-width:none;font-size:1.1rem;font-variant-numeric:tabular-nums;margin:0 0 1rem;padding:.7rem 1rem;
background:var(--card);border:1px solid var(--line);border-left:4px solid var(--good);border-radius:6px}
.verdict.unsound{border-left-color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:.75rem 1.25rem;margin:0}
.facts dt{color:var(--soft);font-size:.82rem}
.facts dd{margin:0;font-variant-numeric:tabular-nums;font-weight:600}
nav{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;padding:.85rem 0;margin-bottom:.5rem;border-bottom:1px solid var(--line);font-size:.93rem}
a{color:var(--accent);text-underline-offset:.2em;text-decoration-thickness:1px}
section{padding:1.75rem 0 1.25rem;border-bottom:1px solid var(--line);scroll-margin-top:1rem}
section:last-child{border-bottom:0}
code,pre{font:.87em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{overflow-x:auto;padding:.7rem .9rem;margin:.4rem 0 1rem;background:var(--card);border:1px solid var(--line);border-radius:6px}
.scroll{overflow-x:auto;margin:.5rem 0 1rem}
.tall{max-height:32rem;overflow:auto;border:1px solid var(--line);border-radius:6px;background:var(--card)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93rem;min-width:100%}
table.narrow{min-width:min(100%,34rem)}
th,td{padding:.36rem .8rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
thead th{font-size:.82rem;font-weight:600;color:var(--soft);vertical-align:bottom}
.tall thead th{position:sticky;top:0;background:var(--card);box-shadow:0 1px 0 var(--line)}
tbody th{font-weight:500}
.number{text-align:right;white-space:nowrap}
.better{font-weight:700;color:var(--accent)}
.funnel{list-style:none;margin:0;padding:0}
.funnel li{padding:.6rem 0;border-top:1px solid var(--line)}
.funnel li:first-child{border-top:0}
.funnel .line{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem}
.funnel .line b{font-weight:600}
.funnel .rows{font-variant-numeric:tabular-nums;white-space:nowrap}
.track{height:.6rem;margin:.3rem 0;border-radius:3px;background:var(--line);overflow:hidden}
.track i{display:block;height:100%;background:var(--bar)}
.reasons{list-style:none;margin:.2rem 0 0;padding:0;font-size:.88rem;color:var(--soft)}
.reasons li{border:0;padding:.05rem 0;display:flex;gap:.7rem}
.reasons .number{min-width:4rem;color:var(--ink)}
figure{margin:0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1.5rem 1.75rem;margin:1rem 0}
.charts .chart{display:flex;flex-direction:column;justify-content:space-between}
.chart{overflow-x:auto}
.chart svg{display:block;width:100%;height:auto;overflow:visible}
.chart.wide svg{min-width:58rem}
.chart figcaption{margin-bottom:.5rem}
.chart figcaption b{display:block;color:var(--ink);font-size:.98rem;font-weight:600}
.keys{display:flex;flex-wrap:wrap;margin-top:.15rem}
.key{display:inline-flex;align-items:center;gap:.4em;margin-right:1.1em;white-space:nowrap}
.key i{display:inline-block;width:1.5em;border-top:3px solid}
.key i.dashed{border-top-style:dashed}
.key i.block{height:.8em;width:.8em;border:0}
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.9rem;margin:.4rem 0 1rem;align-items:start}
.examples.boxes{grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr))}
.example{background:var(--card);border:1px solid var(--line);border-radius:6px;overflow:hidden}
.picture{display:flex;align-items:center;justify-content:center;height:8.5rem;background:#fff;color:#5d6470}
.picture img{max-width:100%;max-height:100%;display:block}
.picture.none{background:repeating-linear-gradient(45deg,transparent 0 9px,var(--line) 9px 10px);color:var(--soft);
text-align:center;font-size:.85rem;padding:.6rem}
.picture.none span{background:var(--card);padding:.15rem .45rem;border-radius:4px}
.boxes .picture{height:auto;padding:.4rem}
.boxes .picture svg{display:block;width:100%;height:auto;max-height:17rem}
.example figcaption{padding:.55rem .7rem;font-size:.85rem;line-height:1.4;overflow-wrap:anywhere}
.example figcaption>*+*{margin-top:.35rem}
.example .text{color:var(--ink);display:block}
.texts{margin:0;padding:0;list-style:none;color:var(--ink)}
.texts li+li{margin-top:.25rem;padding-top:.25rem;border-top:1px dotted var(--line)}
.texts .chosen{font-weight:600}
.example small{display:block;color:var(--soft);font-size:.76rem}
.labels{list-style:none;margin:0;padding:0}
.labels li{display:grid;grid-template-columns:auto 1fr auto;gap:.5rem;align-items:baseline;padding:.08rem 0;color:var(--ink)}
.labels i{font-style:normal;font-weight:700;font-size:.72rem;line-height:1.35;min-width:1.35em;text-align:center;color:#fff;border-radius:3px}
.labels .number{color:var(--soft)}
.plain{padding-left:1.15rem;margin:.4rem 0 1rem}
details{margin:.75rem 0}
summary{cursor:pointer;color:var(--accent)}
@media (max-width:40rem){body{padding:.9rem;font-size:15px}h1{font-size:1.5rem}.verdict{font-size:1rem}
th,td{padding:.34rem .5rem}.examples{grid-template-columns:repeat(auto-fill,minmax(9rem,1fr))}}
@media print{.tall{max-height:none;overflow:visible}nav{display:none}.example{break-inside:avoid}}
`;
