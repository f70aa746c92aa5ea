/** The look of a timeline: one style sheet, light and dark, no assets from elsewhere. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fbfbf9; --card: #fff; --ink: #1d2433; --soft: #667085; --line: #e4e5e0;
  --ok: #2f7d6d; --ok-ground: #dcefe9; --no: #56648a; --no-ground: #e3e7f3; --maybe: #a15c00; --maybe-ground: #fdebc8;
  --gone: #8a8f98; --gone-ground: #ececec; --bad: #c8102e; --bad-ground: #fde3e6; --near: #d9730d; --fault: #7a4fc222; --fault-ink: #6a3fb5; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171d; --card: #1b1f27; --ink: #e6e8ee; --soft: #98a1b3; --line: #2c323d;
  --ok: #8fd8c4; --ok-ground: #1d3c36; --no: #b6c2e6; --no-ground: #28304a; --maybe: #f3c274; --maybe-ground: #46341a;
  --gone: #9aa0aa; --gone-ground: #2a2d33; --bad: #ff6b7d; --bad-ground: #4a1c24; --near: #ffa552; --fault: #9d7be033; --fault-ink: #b99cf0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.45 system-ui, "Segoe UI", sans-serif; }
header { padding: 22px 28px 8px; max-width: 1200px; }
h1 { font-size: 21px; margin: 0 0 2px; letter-spacing: -.01em; }
h1 .badge { font-size: 13px; vertical-align: 3px; margin-left: 8px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
table { border-collapse: collapse; margin: 14px 0 6px; }
td { padding: 3px 18px 3px 0; vertical-align: top; } td.counts { color: var(--soft); font-variant-numeric: tabular-nums; }
.badge { border-radius: 999px; padding: 1px 10px; font-weight: 600; font-size: 12px; }
.badge.valid { background: var(--ok-ground); color: var(--ok); } .badge.invalid { background: var(--bad-ground); color: var(--bad); }
.badge.unknown { background: var(--maybe-ground); color: var(--maybe); }
ol { margin: 8px 0 4px; padding: 0; list-style: none; }
ol li { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 6px; padding: 8px 12px; margin: 6px 0; }
code { font: 12px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--soft); } a { color: inherit; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; padding: 8px 28px 12px; color: var(--soft); font-size: 12px; }
.legend i { display: inline-block; width: 26px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; border: 1px solid; }
.scroll { overflow: auto; border-top: 1px solid var(--line); max-height: 100vh; background: var(--card); }
.chart { position: relative; padding-top: 44px; }
.lane { position: relative; border-bottom: 1px solid var(--line); }
.name { position: sticky; left: 0; z-index: 6; width: 132px; height: 100%; padding: 5px 10px 0 28px; background: var(--card); font-weight: 600; font-size: 12px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-right: 1px solid var(--line); float: left; }
.bar { position: absolute; height: 20px; border-radius: 4px; padding: 0 5px; font: 11px/18px ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  white-space: nowrap; overflow: clip; text-overflow: ellipsis; border: 1px solid; z-index: 2; }
.bar span { position: sticky; left: 140px; }
.bar:hover, .bar:target { z-index: 5; min-width: max-content; box-shadow: 0 2px 10px #0005; }
.answer { background: var(--ok-ground); border-color: var(--ok); color: var(--ok); }
.refused { background: var(--no-ground); border-color: var(--no); color: var(--no); }
.definite { background: var(--gone-ground); border-color: var(--gone); color: var(--gone); border-style: dotted; }
.indefinite { background: repeating-linear-gradient(-45deg, var(--maybe-ground) 0 6px, transparent 6px 9px), var(--card); border-color: var(--maybe); color: var(--maybe);
  border-right: 0; border-radius: 4px 0 0 4px; }
.near { outline: 2px solid var(--near); outline-offset: 1px; z-index: 3; }
.bad { background: var(--bad-ground); border-color: var(--bad); color: var(--bad); outline: 3px solid var(--bad); outline-offset: 1px; font-weight: 700; z-index: 4; }
.mark { position: absolute; min-width: 16px; height: 16px; padding: 0 3px; border-radius: 8px; font: 10px/16px ui-monospace, Menlo, Consolas, monospace; text-align: center; z-index: 2;
  background: var(--no-ground); color: var(--no); } .mark.lost, .mark.ended { background: var(--maybe-ground); color: var(--maybe); }
.mark.state, .mark.observed { background: var(--gone-ground); color: var(--soft); } .mark:hover { box-shadow: 0 0 0 2px currentColor; }
.band { position: absolute; top: 0; bottom: 0; background: var(--fault); border-left: 1px dashed var(--fault-ink); border-right: 1px dashed var(--fault-ink); z-index: 1; pointer-events: none; }
.band span { position: absolute; top: 20px; left: 5px; font-size: 11px; color: var(--fault-ink); white-space: nowrap; }
.failure { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--bad); z-index: 3; scroll-margin: 50vw; }
.failure span { position: absolute; top: 2px; left: 4px; background: var(--bad); color: #fff; border-radius: 3px; padding: 0 6px; font-size: 11px; font-weight: 600; white-space: nowrap; }
.tick { position: absolute; top: 2px; font-size: 10px; color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
.tick::after { content: ""; position: absolute; left: -3px; top: 2px; height: 12px; border-left: 1px solid var(--line); }
`;
