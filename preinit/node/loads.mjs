// What JavaScript does with the program while it loads it: the output is loaded in the same way, on what was captured.
import { plain } from "./arguments.mjs";
import { changing } from "./changes.mjs";

const MOST_LOADS = 10_000; // calls that are kept
const MOST_COMPARED = 1 << 30; // bytes of memory, before nothing is looked for any more
const MOST_RANGES = 1000;
const BLOCK = 4096;
const PAGE = 1 << 16;

const loads = []; // calls of exports: their names, arguments and results
const ranges = []; // where JavaScript itself wrote over what was not zero: [start, end], as they came
let kept = null; // [start, bytes] of memory as the program left it, where it was not zero; null where nobody looks
let left = MOST_COMPARED;
let made = 0; // calls of exports
let watched = null; // how many of them, where nobody looked any more then

// `memory` of an output that was made just now: what is zero there was not captured.
export function watchMemory(memory) {
  if (!memory) return;
  const now = Buffer.from(memory.buffer);
  const nothing = Buffer.alloc(PAGE);
  kept = [];
  let start = -1;
  for (let at = 0; at <= now.length; at += PAGE) {
    const holds = at < now.length && !now.subarray(at, at + PAGE).equals(nothing.subarray(0, now.length - at));
    if (holds && start < 0) start = at;
    if (!holds && start >= 0) {
      kept.push([start, Buffer.from(now.subarray(start, at))]);
      start = -1;
    }
  }
}

function remember({ buffer }) {
  for (const [start, bytes] of kept) {
    left -= 2 * bytes.length;
    bytes.set(new Uint8Array(buffer, start, bytes.length));
  }
  if (left >= 0) return;
  kept = null;
  watched ??= made;
}

// JavaScript has had its turn.
export function look(memory) {
  if (!kept || !memory) return;
  for (const [start, bytes] of kept) {
    const now = Buffer.from(memory.buffer, start, bytes.length);
    if (now.equals(bytes)) continue;
    for (let at = 0; at < now.length; at += BLOCK) {
      const end = Math.min(at + BLOCK, now.length);
      if (now.compare(bytes, at, end, at, end) === 0) continue;
      for (let i = at; i < end; i++) if (bytes[i] !== 0 && now[i] !== bytes[i]) note(start + i);
    }
  }
}

function note(at) {
  const last = ranges[ranges.length - 1];
  if (last?.[1] === at) last[1]++;
  else if (ranges.length < MOST_RANGES) ranges.push([at, at + 1]);
  else {
    watched ??= made;
    left = 0;
  }
}

// A call of an export, from JavaScript; what ends it is given its result. `pointer`: the export that gives the
// stack's, if there is one.
export function began(target, name, args, pointer) {
  look(target?.memories[0]);
  made++;
  const call = loads.length < MOST_LOADS ? { name, args: args.map(plain) } : null;
  if (call) loads.push(call);
  const changes = call && !kept && args.length === 0 ? changing(target, name, pointer) : null;
  return (result) => {
    if (call) call.result = Array.isArray(result) ? result.map(plain) : plain(result);
    if (changes) call.changes = changes();
  };
}
export function ended(memory) {
  if (kept && memory) remember(memory);
}

export const loadedBy = () => ({ loads, overwritten: ranges, watched });
