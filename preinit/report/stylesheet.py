"""How pages look, and the one script that they hold: what is under the pointer or has the focus is explained."""

from __future__ import annotations

#: Fills for drawings: `series-1` to `series-6` tell things apart (also for eyes that see few colours), `zero`, `data`
#: and `changed` are states of memory. All have a variable of the same name, `--series-1`, for use in an inline style.
STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f4f5f7; --ink: #1c2128; --muted: #59636e; --line: #d5dae0; --link: #0b5fbd;
  --good: #1a7f37; --warning: #8a5a00; --bad: #c1272d;
  --zero: #e3e6ea; --data: #5a8fd0; --changed: #e07b1f;
  --series-1: #3f7cc4; --series-2: #e07b1f; --series-3: #2e9d86; --series-4: #a565b5; --series-5: #c9a227;
  --series-6: #8a929c; --on-series: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --panel: #1d232a; --ink: #e4e8ec; --muted: #9aa5b1; --line: #343c46; --link: #78b4f5;
    --good: #57c26f; --warning: #e0b252; --bad: #f47a75;
    --zero: #2a313a; --data: #4a84c9; --changed: #ef9340;
    --series-1: #4a84c9; --series-2: #d9782a; --series-3: #2f9a84; --series-4: #a972b8; --series-5: #b08d1e;
    --series-6: #77818d; --on-series: #ffffff;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto; padding: 0 1.25rem; max-width: 80rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere;
}
header { padding: 2rem 0 1rem; border-bottom: 1px solid var(--line); }
header p { margin: 0; color: var(--muted); }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 0 0 .75rem; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p { margin: .5rem 0; max-width: 48rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible,
[tabindex]:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.muted, figcaption { color: var(--muted); }
.good { color: var(--good); } .warning { color: var(--warning); } .bad { color: var(--bad); }
nav ol { margin: 0; padding: 1rem 0; list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { padding: 1.5rem 0; border-top: 1px solid var(--line); min-width: 0; }
section:first-child { border-top: 0; }
section:target h2 { color: var(--link); }
footer { border-top: 1px solid var(--line); color: var(--muted); font-size: .875rem; }
main { min-width: 0; }
@media (min-width: 62rem) {
  .columns { display: grid; grid-template-columns: 12rem minmax(0, 1fr); gap: 2.5rem; }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding-top: .5rem; }
  nav ol { flex-direction: column; gap: .4rem; }
}
code, pre { font: .875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
pre { margin: 0; padding: .75rem; background: var(--panel); border-radius: 6px; min-width: max-content; }
.scroll { overflow-x: auto; max-width: 100%; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
td { max-width: 34rem; overflow-wrap: anywhere; min-width: 3.5rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { margin: .5rem 0; }
dl div { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .2rem 0; }
dt { flex: 0 0 11rem; color: var(--muted); }
dd { margin: 0; flex: 1 1 14rem; min-width: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9rem, 100%), 1fr)); gap: .75rem; }
.card { background: var(--panel); border-radius: 8px; padding: .8rem 1rem; min-width: 0; }
.card .label, .card .remark { color: var(--muted); font-size: .85rem; }
.card .value { font-size: 1.4rem; font-weight: 600; line-height: 1.35; font-variant-numeric: tabular-nums; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
figcaption { font-size: .875rem; margin-top: .4rem; }
svg text { fill: var(--ink); font-family: inherit; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0; padding: 0;
  font-size: .875rem; }
.swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem;
  vertical-align: -.05rem; }
.zero { fill: var(--zero); background: var(--zero); }
.data { fill: var(--data); background: var(--data); }
.changed { fill: var(--changed); background: var(--changed); }
.series-1 { fill: var(--series-1); background: var(--series-1); }
.series-2 { fill: var(--series-2); background: var(--series-2); }
.series-3 { fill: var(--series-3); background: var(--series-3); }
.series-4 { fill: var(--series-4); background: var(--series-4); }
.series-5 { fill: var(--series-5); background: var(--series-5); }
.series-6 { fill: var(--series-6); background: var(--series-6); }
.map { outline-offset: 4px; }
.map svg { display: block; width: 100%; height: auto; cursor: crosshair; touch-action: pan-y; }
.map .lines { fill: none; stroke: var(--ground); stroke-width: .1; }
.map .cursor { fill: none; stroke: var(--ink); stroke-width: .2; }
.treemap { position: relative; aspect-ratio: 16 / 9; margin: .75rem 0; }
@media (max-width: 40rem) { .treemap { aspect-ratio: 3 / 4; } }
.tile { position: absolute; overflow: hidden; border: 1px solid var(--ground); font-size: .75rem; line-height: 1.3; }
.tile span { display: block; padding: .1rem .3rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.tile.series-1 { background: color-mix(in srgb, var(--series-1) 45%, var(--ground)); }
.tile.series-2 { background: color-mix(in srgb, var(--series-2) 45%, var(--ground)); }
.tile.series-3 { background: color-mix(in srgb, var(--series-3) 45%, var(--ground)); }
.tile.series-4 { background: color-mix(in srgb, var(--series-4) 45%, var(--ground)); }
.tile.series-5 { background: color-mix(in srgb, var(--series-5) 45%, var(--ground)); }
.tile.series-6 { background: color-mix(in srgb, var(--series-6) 45%, var(--ground)); }
.tile:hover, .tile:focus-visible { outline: 2px solid var(--ink); outline-offset: -2px; z-index: 1; }
#tip {
  position: fixed; z-index: 1; max-width: min(26rem, calc(100vw - 1rem)); padding: .4rem .6rem; border-radius: 6px;
  background: var(--ink); color: var(--ground); font-size: .85rem; line-height: 1.4; white-space: pre-line;
  overflow-wrap: anywhere; pointer-events: none; font-variant-numeric: tabular-nums;
}
#tip[hidden] { display: none; }
@media print { nav, #tip { display: none; } body { max-width: none; } }
"""

SCRIPT = """
"use strict";
(() => {
  const box = document.getElementById("tip");
  const say = (text, x, y) => {
    box.textContent = text;
    box.hidden = false;
    const own = box.getBoundingClientRect();
    const left = Math.min(x + 14, innerWidth - own.width - 8);
    const top = y + 18 + own.height > innerHeight ? y - own.height - 10 : y + 18;
    box.style.left = Math.max(8, left) + "px";
    box.style.top = Math.max(8, top) + "px";
  };
  const maps = new Map();
  let pointed = false;
  const hush = () => {
    box.hidden = true;
    for (const map of maps.values()) map.cursor.setAttribute("visibility", "hidden");
  };

  // The map of a memory: which cell is meant follows from where the pointer is.
  const hex = (number) => "0x" + number.toString(16);
  const about = (told, cell) => {
    let low = 0;
    for (let high = told.runs.length - 1; low < high;) {
      const middle = (low + high + 1) >> 1;
      if (told.runs[middle][0] <= cell) low = middle; else high = middle - 1;
    }
    const step = BigInt(told.step), size = BigInt(told.size), pages = BigInt(told.pages);
    const first = BigInt(cell) * step;
    const end = first + step < pages ? first + step : pages;
    const which = end - first > 1n ? `pages ${first} to ${end - 1n}` : `page ${first}`;
    return `memory ${told.memory}, ${which}\\n${hex(first * size)} to ${hex(end * size)}\\n${told.runs[low][1]}`;
  };
  for (const map of document.querySelectorAll(".map")) {
    const told = JSON.parse(map.querySelector("script").textContent);
    const svg = map.querySelector("svg");
    const cursor = map.querySelector(".cursor");
    const rows = Math.ceil(told.cells / told.columns);
    let chosen = 0;
    const choose = (cell, x, y) => {
      chosen = cell;
      const column = cell % told.columns, row = Math.floor(cell / told.columns);
      cursor.setAttribute("x", column);
      cursor.setAttribute("y", row);
      cursor.setAttribute("visibility", "visible");
      const place = svg.getBoundingClientRect();
      say(about(told, cell), x ?? place.left + (column + 1) / told.columns * place.width - 10,
        y ?? place.top + (row + 1) / rows * place.height - 14);
    };
    const point = (x, y) => {
      const place = svg.getBoundingClientRect();
      const column = Math.floor((x - place.left) / place.width * told.columns);
      const cell = Math.floor((y - place.top) / place.height * rows) * told.columns + column;
      if (column < 0 || column >= told.columns || cell < 0 || cell >= told.cells) hush(); else choose(cell, x, y);
    };
    maps.set(map, { cursor, point, focus: () => choose(chosen) });
    map.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -told.columns, ArrowDown: told.columns,
        Home: -chosen, End: told.cells - 1 - chosen };
      const move = event.ctrlKey || event.metaKey || event.altKey ? undefined : moves[event.key];
      if (move === undefined) return;
      event.preventDefault();
      if (chosen + move >= 0 && chosen + move < told.cells) choose(chosen + move);
    });
  }

  const point = (event) => {
    const at = event.target instanceof Element ? event.target.closest(".map svg, [data-tip]") : null;
    const map = at ? maps.get(at.parentElement) : null;
    pointed = true;
    if (map) map.point(event.clientX, event.clientY);
    else { hush(); if (at) say(at.dataset.tip, event.clientX, event.clientY); }
  };
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.documentElement.addEventListener("pointerleave", hush);
  document.addEventListener("focusin", (event) => {
    const at = event.target;
    if (!(at instanceof Element) || !at.matches(":focus-visible")) return;
    const map = maps.get(at);
    if (!map && !at.matches("[data-tip]")) return;
    at.setAttribute("aria-describedby", "tip");
    const place = at.getBoundingClientRect();
    pointed = false;
    if (map) map.focus(); else say(at.dataset.tip, place.left, place.bottom - 14);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target instanceof Element) event.target.removeAttribute("aria-describedby");
    hush();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hush(); });
  document.addEventListener("scroll", () => { if (pointed) hush(); }, true);  // what was pointed at is elsewhere now
})();
"""
