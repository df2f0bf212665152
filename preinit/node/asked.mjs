// What the program asked of the world, and which of its functions did: C libraries keep the answers, an empty one, too.
import { guestFrames } from "./callers.mjs";
import { glue, source } from "./files.mjs";
import { counts as given } from "./world.mjs";

const ASKING = /^_*(environ_sizes_get|environ_get|args_sizes_get|args_get|tzset(?:_js)?)$/;
const READING = /^_*fd_p?read$/;
const RANDOM = /^\/dev\/u?random$/;
const MAIN = /^_*(main|__main_argc_argv)$/;
const VARIABLE = /^[^=]+=/;
const MINIFIED = 3; // characters of the longest name that a minifier gives
const MOST_TRIED = 3; // calls of an import of such a name that are looked at
const MOST_TEXTS = 10_000; // variables, or arguments
const LONGEST_TEXT = 1 << 17;
const MOST_WAYS = 1000; // backtraces of one function that are told apart

const texts = { environment: null, arguments: null }; // what was handed over; null for what nobody took
const sizes = new Map(); // how many there are, by the function that gives them
const first = {}; // name of a function as WASI has it -> who called it first
const ways = {}; // the same, each way to it once, where those are wanted; null of too many
let waiting = []; // calls of the start function, whose memory is not known yet
let input = null; // bytes of standard input
let own = null; // those that JavaScript took for the program, as glue of minified names does in a call that is known, too
const devices = new Map(); // other devices that were read -> how many bytes, and who was first
const MOST_DEVICES = 1000;
const variables = new Set(); // that JavaScript looked up for the program

// The program called a function that WASI calls `name`. `wanted`: those of which each caller must be known.
export function note(name, wanted) {
  const each = wanted.includes(name);
  if (first[name] && !each) return;
  const frames = guestFrames();
  first[name] ??= frames;
  if (!each || ways[name] === null) return;
  const known = (ways[name] ??= new Map());
  known.set(frames.join(), frames);
  if (known.size > MOST_WAYS) ways[name] = null;
}

// What is to be done when a call of an import has ended; undefined if it asks for nothing. `entry`: with the names of the
// import, and of what provides it. It is given the memory (none while the start function runs), arguments and result.
export function watcherOf(entry, wanted) {
  const names = [entry.js, entry.name];
  const found = ASKING.exec(names[0]) ?? ASKING.exec(names[1]);
  if (found) {
    return (memory, args) => {
      note(found[1], wanted);
      if (memory) take(memory, found[1], args);
      else waiting.push([found[1], args]);
    };
  }
  if (names.some((name) => READING.test(name))) {
    return (memory, args, result, gaveNone) => {
      if (result !== 0) return;
      const device = glue.device(args[0]) ?? source(args[0]);
      if (device !== null) takeInput(device, numberAt(memory, Number(args.at(-1))), gaveNone, wanted);
    };
  }
  if (names.some((name) => name.length > MINIFIED)) return undefined;
  return (memory, args, result) => {
    if (!memory || result !== 0) return;
    if (args.length === 2 && entry.count <= MOST_TRIED) recognize(memory, entry, args, wanted);
    if (args.length === 4 && args[0] === 0 && isRead(memory, args)) takeInput("", numberAt(memory, args[3]), false, wanted);
  };
}

const numberAt = (memory, at) =>
  memory && at + 4 <= memory.buffer.byteLength ? new DataView(memory.buffer).getUint32(at, true) : 0;

// A device was read. `gaveNone`: no random numbers were taken meanwhile, so that those of the machine's device count.
function takeInput(device, bytes, gaveNone, wanted) {
  if (RANDOM.test(device)) {
    if (gaveNone) given.random += bytes;
    return;
  }
  note("fd_read", wanted);
  if (device === "") input = (input ?? 0) + bytes;
  else if (devices.has(device)) devices.get(device).bytes += bytes;
  else if (devices.size < MOST_DEVICES) devices.set(device, { bytes, frames: guestFrames() });
}

// Whether a call that ended well may have read into pieces of memory, of which it says how much.
const MOST_PIECES = 1024;
function isRead({ buffer }, [, pieces, count, at]) {
  const view = new DataView(buffer);
  const fits = (start, size) => Number.isInteger(start) && start > 0 && start + size <= view.byteLength;
  if (!(count > 0 && count <= MOST_PIECES) || !fits(pieces, 8 * count) || !fits(at, 4)) return false;
  let room = 0;
  for (let i = 0; i < count; i++) {
    const [start, size] = [view.getUint32(pieces + 8 * i, true), view.getUint32(pieces + 8 * i + 4, true)];
    if (size && !fits(start, size)) return false;
    room += size;
  }
  return room > 0 && view.getUint32(at, true) <= room;
}

// JavaScript that the program called asked the machine for a variable, which is there if `found` is its name; for all arguments,
// which `found` is; for so many bytes of standard input; for the time zone, or the language.
export function noteMachine(wanted, what, found) {
  if (what === "variable") {
    note("environ_get", wanted);
    if (found !== undefined && variables.size < MOST_TEXTS) variables.add(found);
  } else if (what === "arguments") {
    note("args_get", wanted);
    texts.arguments ??= found.slice(1, MOST_TEXTS).map(String);
  } else if (what === "input") {
    note("fd_read", wanted);
    own += found;
  } else note(what === "zone" ? "tzset_js" : "language", wanted);
}

// Where all names are minified, the environment is known by what its functions leave in the memory: variables that lie one
// behind the other, to which addresses point, as many and as long as was said before.
let last = null; // the call before, which may have told how many there are
function recognize(memory, entry, args, wanted) {
  const before = last;
  last = { entry, args, frames: guestFrames() };
  if (!before || before.entry === entry || typeof args[0] !== "number") return;
  const view = new DataView(memory.buffer);
  const numbers = [args[0], args[1], ...before.args];
  if (numbers.some((at) => typeof at !== "number" || at <= 0 || at + 4 > view.byteLength)) return;
  const [count, size] = before.args.map((at) => view.getUint32(at, true));
  if (count === 0 || count > MOST_TEXTS || args[0] + 4 * count > view.byteLength || args[1] + size > view.byteLength) return;
  let place = args[1];
  for (let i = 0; i < count; i++) {
    if (view.getUint32(args[0] + 4 * i, true) !== place) return;
    const end = Buffer.from(memory.buffer).indexOf(0, place);
    if (!VARIABLE.test(Buffer.from(memory.buffer).toString("utf8", place, Math.min(end, place + LONGEST_TEXT)))) return;
    place = end + 1;
  }
  if (place !== args[1] + size) return;
  first.environ_sizes_get ??= before.frames;
  [before.entry.js, entry.js] = ["environ_sizes_get", "environ_get"];
  sizes.set("environment", count);
  note("environ_get", wanted);
  take(memory, "environ_get", args);
}

// The start function has ended: what it asked for lies in this memory.
export function settleAsked(memory) {
  for (const [name, args] of waiting) if (memory) take(memory, name, args);
  waiting = [];
}

function take(memory, name, args) {
  const kind = name.startsWith("environ") ? "environment" : "arguments";
  const view = new DataView(memory.buffer);
  const wide = typeof args[0] === "bigint";
  const read = (at) => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  try {
    if (/_sizes_get$/.test(name)) sizes.set(kind, read(Number(args[0])));
    else if (/_get$/.test(name)) texts[kind] = listed(memory, read, Number(args[0]), sizes.get(kind) ?? 0, wide ? 8 : 4);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem; // no addresses: the program's own fault
  }
}

// Texts to which addresses point that lie one behind the other.
function listed(memory, read, at, count, size) {
  const bytes = Buffer.from(memory.buffer);
  return Array.from({ length: Math.min(count, MOST_TEXTS) }, (_, i) => {
    const start = read(at + i * size);
    const end = bytes.indexOf(0, start);
    return bytes.toString("utf8", start, Math.min(end < 0 ? bytes.length : end, start + LONGEST_TEXT));
  });
}

// JavaScript calls an export, by these of its functions. Of main, and of what is called like it: what it is handed.
export function watchMain(memory, name, frames, args) {
  if (args.length !== 2 || !memory || !args.every((value) => ["number", "bigint"].includes(typeof value))) return undefined;
  try {
    const view = new DataView(memory.buffer);
    const wide = typeof args[1] === "bigint";
    const size = wide ? 8 : 4;
    const [count, at] = args.map(Number);
    const read = (place) => (wide ? Number(view.getBigUint64(place, true)) : view.getUint32(place, true));
    const isMain = MAIN.test(name) || frames.slice(0, 3).includes("callMain");
    if (!isMain && !isList(count, at, (i) => read(at + i * size), view.byteLength)) return undefined;
    return listed(memory, read, at, count, size);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem;
    return undefined;
  }
}

// Whether there are so many addresses, and behind them a zero.
function isList(count, at, entry, end) {
  if (!(count > 0 && count <= MOST_TEXTS && at > 0) || entry(count) !== 0) return false;
  return Array.from({ length: count }, (_, i) => entry(i)).every((text) => text > 0 && text < end);
}

// Of the environment names only: values are nobody's business.
export const asked = () => ({
  environment: [...new Set([...(texts.environment ?? []).map((text) => text.split("=", 1)[0]), ...variables])],
  arguments: texts.arguments,
  counts: Object.fromEntries(sizes),
  input: input === null && own === null ? null : Math.max(input, own),
  devices: [...devices].map(([path, { bytes, frames }]) => [path, bytes, frames]),
  first,
  ways: Object.entries(ways).map(([name, known]) => [name, known && [...known.values()]]),
});
