/** Of the page; the diagram takes its colours from here too. */
export const styles = `
:root { --ink: #1c2430; --soft: #6b7686; --line: #d8dee6; --paper: #fff; --band: #f6f8fa; --message: #2563a8;
  --provider: #7a4fa3; --sql: #a9b4c0; --lost: #c62f2f; --fault: #c62f2f; --node: #c26a10; --client: #14795a }
* { box-sizing: border-box }
body { font: 14px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  margin: 0; padding: 20px 28px }
h1 { font-size: 22px; margin: 0 0 8px } h1 small { font-weight: 400; font-size: 14px; color: var(--soft); margin-left: 8px }
code { font: 13px ui-monospace, Menlo, Consolas, monospace; background: var(--band); border: 1px solid var(--line);
  border-radius: 4px; padding: 1px 6px }
.replay { margin: 8px 0 12px } .good { color: var(--client); margin: 0 }
.violated { list-style: none; margin: 0; padding: 10px 14px; border-left: 4px solid var(--lost); background: #fdf1f0;
  border-radius: 0 6px 6px 0; overflow-wrap: anywhere } .violated li + li { margin-top: 6px }
.facts { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: start }
summary { cursor: pointer; color: var(--message) }
table { border-collapse: collapse; font-size: 13px } td { padding: 1px 12px 1px 0 }
td + td { text-align: right; font-variant-numeric: tabular-nums }
pre { font: 12px ui-monospace, monospace; background: var(--band); padding: 10px; max-height: 24rem; overflow: auto }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 12.5px; margin: 12px 0 8px; color: var(--soft) }
.legend .message { color: var(--message) } .legend .provider { color: var(--provider) }
.legend .lost, .legend .fault { color: var(--lost) } .legend .node { color: var(--node) }
.legend .client { color: var(--client) }
.scroll { overflow: auto; max-height: 92vh; border: 1px solid var(--line); border-radius: 8px }
.names { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--line); width: max-content;
  min-width: 100%; z-index: 1 }
svg { display: block; font: 11px ui-monospace, Menlo, Consolas, monospace }
svg text { paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round; fill: var(--ink) }
.band { fill: var(--band) }
.name { font: 600 12px system-ui, sans-serif; text-anchor: middle }
svg .name.database { fill: var(--soft) } svg .name.client { fill: var(--client) }
svg .time { text-anchor: end; fill: var(--soft) }
.lane { stroke: #b4bfcb; stroke-width: 1.5 } .lane.down { stroke: var(--lost); stroke-dasharray: 2 5 }
.lane.paused { stroke: #e5a23b; stroke-width: 4 }
g.message line, g.provider line { stroke: var(--message); stroke-width: 1.2 } g.provider line { stroke: var(--provider) }
.head.message path { fill: var(--message) } .head.provider path { fill: var(--provider) }
g.message text { fill: var(--message) } g.provider text { fill: var(--provider) }
g.sql line { stroke: var(--sql); stroke-dasharray: 2 3 } g.sql circle { fill: var(--sql) } svg g.sql text { fill: #8a95a3 }
g.lost line { stroke: var(--lost); stroke-dasharray: 5 3 } g.lost path { stroke: var(--lost); stroke-width: 2 }
svg g.lost text, svg g.fault text, svg g.check text { fill: var(--lost) } g.fault path { fill: var(--fault) }
g.node circle { fill: var(--node) } svg g.node text { fill: var(--node); font-weight: 600 }
g.client circle { fill: var(--client) } svg g.client text { fill: var(--client) }
g.fault .all, g.check .all { stroke: var(--lost); stroke-width: 1.5; stroke-dasharray: 8 4 }
g:hover text { font-weight: 700 } g:hover line { stroke-width: 2.4 }
`;
