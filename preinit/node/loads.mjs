// What JavaScript does with the program while it loads it: the output is loaded in the same way, on what was captured.
import { plain } from "./arguments.mjs";

const MOST_LOADS = 10_000; // calls that are kept
const MOST_COMPARED = 1 << 29; // bytes of memory, before nothing is looked for any more
const MOST_RANGES = 1000;
const BLOCK = 4096;
const FRAMES = 1024; // bytes that a call without arguments may use of the stack
const MOST_WATCHED = 2; // calls of each export

const loads = []; // calls of exports: their names, arguments and results
const ranges = []; // where JavaScript itself wrote over what was not zero: [start, end], as they came
let shadow = null; // the memory as the program left it; null where nobody looks
let left = MOST_COMPARED;
let copied = 0; // bytes of memory, to see which calls change it
const watched = new Map(); // export -> how many of its calls were

// `memory` of an output that was made just now.
export function watchMemory(memory) {
  if (memory) remember(memory);
}

function remember({ buffer }) {
  left -= 2 * buffer.byteLength;
  if (left < 0) return (shadow = null);
  if (shadow?.length === buffer.byteLength) shadow.set(new Uint8Array(buffer));
  else shadow = Buffer.from(new Uint8Array(buffer));
}

// JavaScript has had its turn.
export function look(memory) {
  if (!shadow || !memory) return;
  const now = Buffer.from(memory.buffer, 0, Math.min(shadow.length, memory.buffer.byteLength));
  if (now.equals(shadow.subarray(0, now.length))) return;
  for (let at = 0; at < now.length; at += BLOCK) {
    const end = Math.min(at + BLOCK, now.length);
    if (now.compare(shadow, at, end, at, end) === 0) continue;
    for (let i = at; i < end; i++) if (shadow[i] !== 0 && now[i] !== shadow[i]) note(i);
  }
}

function note(at) {
  const last = ranges[ranges.length - 1];
  if (last?.[1] === at) last[1]++;
  else if (ranges.length < MOST_RANGES) ranges.push([at, at + 1]);
}

// A call of an export, from JavaScript; what ends it is given its result. `pointer`: gives the stack's.
export function began(memory, name, args, pointer) {
  look(memory);
  const kept = loads.length < MOST_LOADS ? { name, args: args.map(plain) } : null;
  if (kept) loads.push(kept);
  const isChanged = kept && !shadow && args.length === 0 ? changing(memory, name, pointer) : null;
  return (result) => {
    if (kept) kept.result = Array.isArray(result) ? result.map(plain) : plain(result);
    if (isChanged) kept.changes = isChanged();
  };
}
// Whether the program's memory is another one, later, but for what a call leaves below the stack pointer.
function changing(memory, name, pointer) {
  const times = (watched.get(name) ?? 0) + 1;
  watched.set(name, times);
  if (times > MOST_WATCHED) return null;
  const top = pointer();
  copied += memory ? memory.buffer.byteLength : 0;
  if (!memory || copied > MOST_COMPARED / 2) return null;
  const before = Buffer.from(new Uint8Array(memory.buffer));
  const start = Math.min(Math.max(0, top - FRAMES), before.length);
  const end = Math.min(Math.max(0, top), before.length);
  return () => {
    const now = Buffer.from(memory.buffer);
    return (
      now.length !== before.length ||
      now.compare(before, 0, start, 0, start) !== 0 ||
      now.compare(before, end, before.length, end, before.length) !== 0
    );
  };
}
export function ended(memory) {
  if (shadow && memory) remember(memory);
}

export const loadedBy = () => ({ loads, overwritten: ranges });
