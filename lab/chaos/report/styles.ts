/** Of the page; the charts take their colours from here too, so that they follow the reader's light or dark. */
export const styles = `
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #fff; --ink: #1b2733; --soft: #5b6875; --line: #e3e5e8;
  --ok: #17734a; --bad: #b3261e; --answered: #2f6f9f; --later: #c98a00; --lost: #c4302b; --median: #1b2733;
  --process: #c23b4a; --network: #2b67ad; --disk: #7552a3; --clock: #8f6c00; --dependency: #0b7570 }
@media (prefers-color-scheme: dark) { :root { --paper: #12161b; --card: #1a2027; --ink: #e6eaee; --soft: #98a5b1;
  --line: #2b343d; --ok: #5fcf97; --bad: #ff8a80; --answered: #5fa8dc; --later: #f0bd4f; --lost: #ff7066;
  --median: #e6eaee; --process: #f4808c; --network: #79b3f2; --disk: #bb9df0; --clock: #dcb64c; --dependency: #4fc7bf } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; max-width: 1200px; padding: 28px 24px 48px }
h1 { font-size: 26px; line-height: 1.2; letter-spacing: -.015em; margin: 0 } h1 small { font-weight: 400; color: var(--soft);
  font-size: 15px; letter-spacing: 0; display: block; margin-top: 6px }
h2 { font-size: 17px; margin: 36px 0 10px }
header { display: flex; flex-wrap: wrap; gap: 12px 24px; align-items: center; justify-content: space-between }
.verdict { font-weight: 650; padding: 6px 14px; border-radius: 999px; border: 1.5px solid }
.verdict.ok { color: var(--ok) } .verdict.bad { color: var(--bad) }
code { font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--card);
  border: 1px solid var(--line); border-radius: 5px; padding: 2px 7px; overflow-wrap: anywhere }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(126px, 1fr)); gap: 10px; margin: 22px 0 }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px }
.figures b { display: block; font-size: 23px; font-weight: 600; letter-spacing: -.02em; font-variant-numeric: tabular-nums }
.figures span { color: var(--soft); font-size: 13px }
.violations { list-style: none; margin: 20px 0; padding: 12px 16px; border-left: 4px solid var(--bad); background: var(--card);
  border-radius: 0 8px 8px 0; overflow-wrap: anywhere } .violations li + li { margin-top: 8px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; color: var(--soft); font-size: 13px; margin: 10px 0 0 }
.legend i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px }
.legend i.bar { height: 3px; width: 16px; border-radius: 2px; vertical-align: middle }
svg { display: block; width: 100%; height: auto } svg.narrow { display: none }
@media (max-width: 760px) { body { padding: 18px 14px 40px } svg.wide { display: none } svg.narrow { display: block }
  .card { padding: 12px 8px } .does { display: none } }
svg text { fill: var(--soft) } svg .title { fill: var(--ink); font-weight: 600 }
svg .grid { stroke: var(--line) } svg .healed { stroke: var(--ok); stroke-dasharray: 3 3 } svg text.healed { fill: var(--ok); stroke: none }
svg .points { fill: none; stroke-linecap: round } svg .median { fill: none; stroke: var(--median); stroke-width: 1.6; opacity: .75 }
.answered { stroke: var(--answered); background: var(--answered) } rect.answered { fill: var(--answered); stroke: none }
.later { stroke: var(--later); background: var(--later) } rect.later { fill: var(--later); stroke: none }
.lost { stroke: var(--lost); background: var(--lost) } rect.lost { fill: var(--lost); stroke: none }
.process { fill: var(--process); color: var(--process) } .network { fill: var(--network); color: var(--network) }
.disk { fill: var(--disk); color: var(--disk) } .clock { fill: var(--clock); color: var(--clock) }
.dependency { fill: var(--dependency); color: var(--dependency) }
svg text.of { font-weight: 600 } svg text.process { fill: var(--process) } svg text.network { fill: var(--network) }
svg text.disk { fill: var(--disk) } svg text.clock { fill: var(--clock) } svg text.dependency { fill: var(--dependency) }
svg .shade { opacity: .055 } svg g:hover .shade { opacity: .16 } svg g:hover text { fill: var(--ink); font-weight: 600 }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child td { border-bottom: 0 } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.name { white-space: nowrap; font-weight: 550 } td.soft { color: var(--soft) } td.failed { color: var(--bad) }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 0 32px; align-items: start }
.tick { color: var(--ok); font-weight: 700; margin-right: 6px } footer { margin-top: 36px; color: var(--soft) }
@media (max-width: 760px) { table { font-size: 13px } th, td { padding-right: 8px } }
`;
