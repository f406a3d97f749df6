"""How the report looks: plain, light, readable on a phone and on paper."""

STYLE = """
:root { --ink: #1c2126; --soft: #5b6670; --line: #d9dee3; --fill: #f4f6f8; --bar: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line);
  break-after: avoid; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
.soft { color: var(--soft); font-size: .9rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.tile { background: var(--fill); border-radius: .5rem; padding: .7rem .9rem; break-inside: avoid; }
.tile b { display: block; font-size: 1.6rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { display: block; font-size: .85rem; color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child, .left { text-align: left; }
thead th { color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); vertical-align: bottom; }
.bar { display: inline-block; width: 7rem; height: .7rem; background: var(--line); border-radius: .35rem;
  overflow: hidden; vertical-align: middle; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bar i { display: block; height: 100%; background: var(--bar); }
.notice { background: #fff4e0; border-left: 4px solid #e69f00; padding: .6rem 1rem; margin: 1rem 0; }
.notice ul { margin: .3rem 0; padding-left: 1.2rem; }
.notice li { overflow-wrap: anywhere; }
.key { display: inline-block; width: 1.6rem; height: 0; border-top: .25rem solid; vertical-align: middle;
  margin: 0 .3rem 0 .6rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.lesions { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 29rem), 1fr)); gap: 1.25rem; }
.curve { display: block; width: 100%; max-width: 34rem; margin: .5rem 0 1rem; break-inside: avoid; }
.wide-curve { max-width: 46rem; }
.best { font-weight: 700; }
.level::after { content: " ≈"; color: var(--soft); }
.best::after { content: " ★"; color: #b8860b; }
figure { margin: 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; }
figcaption { font-size: .88rem; margin-top: .3rem; }
figcaption b { overflow-wrap: anywhere; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; color: var(--soft); max-width: 46rem; overflow-wrap: anywhere; }
@media (max-width: 32rem) { th, td { padding: .3rem .4rem; } table { font-size: .85rem; } .bar { width: 3rem; } }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .lesions { grid-template-columns: 1fr 1fr; }
  .wide { overflow: visible; } th, td { padding: .15rem .4rem; } }
"""
