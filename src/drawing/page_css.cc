// The style sheet of a page; light or dark as the reader's system is.
#include "drawing/page.h"

namespace colossus::drawing {

std::string_view page_css() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #f6f6f4; --surface: #ffffff; --border: #e3e3df; --grid: #ededea;
  --ink: #1c1d1f; --soft: #5d6167; --faint: #7c8087;
  --main: #2563c9; --second: #c2570c; --pale: #a9c4ef;
  --more: 194, 87, 12; --less: 37, 99, 201;
  --good: #1d7545; --good-back: #e4f3ea; --bad: #b3261e; --bad-back: #fbe9e7;
  --neutral-back: #ebebe8;
  --s1: #2f6fd0; --s2: #7d63cf; --s3: #1d9a94; --s4: #d9772b; --s5: #d1a60d;
  --s6: #c8453d; --s7: #7a9440; --s8: #9a9fa7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131416; --surface: #1b1d20; --border: #2d3034; --grid: #282b2f;
    --ink: #e9eaec; --soft: #a6abb3; --faint: #878d96;
    --main: #6ea8fe; --second: #f2994a; --pale: #35507c;
    --more: 242, 153, 74; --less: 110, 168, 254;
    --good: #6fcf97; --good-back: #1d3327; --bad: #f28b82; --bad-back: #3d2422;
    --neutral-back: #2a2d31;
    --s1: #5b97f0; --s2: #a08be8; --s3: #45b8b1; --s4: #ec9650; --s5: #dcb93e;
    --s6: #e26d65; --s7: #9db562; --s8: #7b818a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 36px 0 12px; }
h3 { font-size: 15px; margin: 0; }
header .title { display: flex; align-items: center; gap: 12px;
  flex-wrap: wrap; }
header p { margin: 6px 0 0; color: var(--soft); }
.pill { padding: 2px 10px; border-radius: 999px; font-size: 13px;
  font-weight: 600; background: var(--neutral-back); color: var(--soft);
  white-space: nowrap; }
.pill.good { background: var(--good-back); color: var(--good); }
.pill.bad { background: var(--bad-back); color: var(--bad); }

.cards { display: grid; gap: 12px; margin: 24px 0 12px;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.card, figure, .panel { background: var(--surface);
  border: 1px solid var(--border); border-radius: 10px; }
.card { padding: 14px 16px; }
.card .name { color: var(--soft); font-size: 13px; }
.card .value { font-size: 24px; font-weight: 650; line-height: 1.3;
  white-space: nowrap; }
.card .value small { font-size: 14px; font-weight: 500; color: var(--soft); }
.card .note { color: var(--faint); font-size: 13px; }
.card.first .value { color: var(--main); }

.facts { padding: 14px 16px; margin: 0; display: grid; gap: 4px 16px;
  grid-template-columns: max-content minmax(0, 1fr); font-size: 14px; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas,
  "Liberation Mono", monospace; font-size: 0.93em; }

.charts { display: grid; gap: 16px; margin-top: 16px;
  grid-template-columns: repeat(2, minmax(0, 1fr)); }
figure { margin: 0; padding: 14px 16px 10px; min-width: 0; }
figure.wide, figure.experts { grid-column: 1 / -1; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline;
  gap: 2px 10px; margin-bottom: 12px; }
.unit { color: var(--faint); font-size: 13px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-left: auto;
  font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 16px; height: 3px; border-radius: 2px;
  margin-right: 6px; vertical-align: middle; }
.legend i:not(.box) { background: var(--main); }
.legend i.faint { background: var(--pale); }
.legend i.second { background: var(--second); }
.legend i.dotted { height: 0; border-top: 2px dashed var(--faint);
  border-radius: 0; background: none; }
.frame { position: relative; margin: 6px 10px 40px 46px; cursor: crosshair; }
.frame svg { display: block; pointer-events: none; }
.frame text { font-size: 11.5px; fill: var(--faint); }
.grid { stroke: var(--grid); }
.tick { stroke: var(--faint); }
.mark { stroke: var(--faint); stroke-dasharray: 2 4; }
.curve, .dots { fill: none; vector-effect: non-scaling-stroke;
  stroke: var(--main); stroke-width: 1.75; stroke-linejoin: round; }
.dots { stroke-width: 6; stroke-linecap: round; }
.curve.faint, .dots.faint { stroke: var(--pale); stroke-width: 1; }
.dots.faint { stroke-width: 6; }
.curve.second, .dots.second { stroke: var(--second); }
.s1 { background: var(--s1); } .s2 { background: var(--s2); }
.s3 { background: var(--s3); } .s4 { background: var(--s4); }
.s5 { background: var(--s5); } .s6 { background: var(--s6); }
.s7 { background: var(--s7); } .s8 { background: var(--s8); }
.legend i.box { width: 11px; height: 11px; }
i.dash { display: inline-block; width: 18px; margin-right: 6px;
  vertical-align: middle; border-top: 2px dashed var(--ink); }
.bar-rows { display: grid; gap: 7px 12px; align-items: center;
  grid-template-columns: fit-content(40%) minmax(0, 1fr) max-content;
  font-size: 13px; }
.bar-label { color: var(--soft); overflow-wrap: anywhere; }
.bar { position: relative; }
.bar .parts { display: flex; height: 18px; background: var(--grid);
  border-radius: 3px; overflow: hidden; }
.bar .parts i { min-width: 1px; }
.bar b { position: absolute; top: -4px; bottom: -4px; width: 0;
  border-left: 2px dashed var(--ink); }
.bar-total { text-align: right; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px;
  background: var(--soft); pointer-events: none; }
.tip { position: absolute; z-index: 1; top: 4px; pointer-events: none;
  background: var(--surface); border: 1px solid var(--border);
  border-radius: 6px; padding: 5px 9px; font-size: 12.5px; line-height: 1.45;
  box-shadow: 0 2px 8px rgba(0, 0, 0, 0.16); white-space: nowrap; }
.tip b { display: block; font-weight: 600; }

.layers { display: grid; gap: 18px 20px;
  grid-template-columns: repeat(auto-fill, minmax(min(230px, 100%), 1fr)); }
.layers.many { gap: 12px 14px;
  grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); }
.layers.many .label span, .layers.many .ends { display: none; }
.layer .label { display: flex; justify-content: space-between; gap: 8px;
  font-size: 13px; margin-bottom: 4px; flex-wrap: wrap; }
.layer .label span, .layer .ends { color: var(--faint); font-size: 12px; }
.layer .ends { display: flex; justify-content: space-between; }
.map { position: relative; background: var(--grid); border-radius: 3px; }
.map svg { display: block; shape-rendering: crispEdges; pointer-events: none;
  border-radius: 3px; }
.scale { display: flex; align-items: center; flex-wrap: wrap;
  margin-left: auto; font-size: 12px; color: var(--soft); }
.scale span:first-child { margin-right: 8px; }
.scale span:last-child { margin-left: 8px; }
.scale i { width: 16px; height: 11px; }
.more1 { fill: rgba(var(--more), .25); background: rgba(var(--more), .25); }
.more2 { fill: rgba(var(--more), .5); background: rgba(var(--more), .5); }
.more3 { fill: rgba(var(--more), .75); background: rgba(var(--more), .75); }
.more4 { fill: rgb(var(--more)); background: rgb(var(--more)); }
.less1 { fill: rgba(var(--less), .25); background: rgba(var(--less), .25); }
.less2 { fill: rgba(var(--less), .5); background: rgba(var(--less), .5); }
.less3 { fill: rgba(var(--less), .75); background: rgba(var(--less), .75); }
.less4 { fill: rgb(var(--less)); background: rgb(var(--less)); }
.even { background: var(--grid); }

.sample { padding: 14px 16px; margin: 0 0 12px; }
.sample .when { color: var(--faint); font-size: 13px; }
.sample p { margin: 4px 0 0; white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: Georgia, "Liberation Serif", serif; font-size: 16px; }
.sample p b { font-weight: 650; }
.scroll { overflow-x: auto; }
.scroll table { white-space: nowrap; }
.scroll td, .scroll th { padding-right: 10px; font-size: 13px; }
.scroll td:last-child, .scroll th:last-child { padding-right: 0; }
td.n, th.n { text-align: right; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
td, th { text-align: left; vertical-align: top; padding: 6px 16px 6px 0;
  border-top: 1px solid var(--grid); overflow-wrap: anywhere; }
tr:first-child > td, tr:first-child > th { border-top: 0; }
.panel.rows { padding: 6px 16px; }
.events td:nth-child(-n+3) { white-space: nowrap; color: var(--soft);
  width: 1%; }
.events .bad { color: var(--bad); font-weight: 600; }
.events .good { color: var(--good); font-weight: 600; }
.config th { width: 1%; white-space: nowrap; font-weight: 400; }
.config td.help { color: var(--faint); }
.config tr.changed td.value { font-weight: 650; }
.config caption { text-align: left; font-weight: 650; padding: 14px 0 4px; }
details > summary { cursor: pointer; color: var(--soft); padding: 4px 0;
  margin-bottom: 8px; }
details > summary:hover { color: var(--ink); }
pre { overflow-x: auto; padding: 14px 16px; margin: 0; }
.hint { color: var(--faint); font-size: 13px; margin: 8px 0 0; }
footer { margin-top: 40px; color: var(--faint); font-size: 13px; }

@media (max-width: 720px) {
  main { padding: 20px 12px 32px; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
  .card { padding: 10px 12px; }
  .card .value { font-size: 20px; }
  figure { padding: 12px 10px 8px; }
  .legend, .scale { margin-left: 0; }
  .bar-rows { grid-template-columns: minmax(0, 1fr) max-content; gap: 2px 10px; }
  .bar-label { grid-column: 1 / -1; margin-top: 6px; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dd { margin-bottom: 8px; }
  .frame { margin-left: 42px; margin-right: 14px; }
  .events tr, .config tr { display: block; padding: 8px 0;
    border-top: 1px solid var(--grid); }
  .events tr:first-child, .config tr:first-child { border-top: 0; }
  .events td, .config td, .config th { display: block; width: auto !important;
    border: 0; padding: 0; }
  .events td:nth-child(-n+2) { display: inline-block; margin-right: 10px;
    font-size: 13px; color: var(--faint); }
}
@media print {
  body { background: #fff; }
  figure, .card, .sample { break-inside: avoid; }
}
)css";
}

}  // namespace colossus::drawing
