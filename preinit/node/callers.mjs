// Who calls: what the engine's stack tells of JavaScript functions, by their names.

const DEPTH = 16;

// Lines of the stack, without the first ones: the title, and this file's functions.
function lines(skipped, depth = DEPTH) {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = depth;
  const stack = String(new Error().stack ?? "");
  Error.stackTraceLimit = before;
  return stack.split("\n").slice(skipped);
}

// Names of the JavaScript functions that called an export, innermost first.
export function frames() {
  return lines(4).map((line) => {
    const name = /^\s*at (?:async )?(?:new )?(.*?) \(/.exec(line)?.[1] ?? "";
    return name.replace(/ \[as .*\]$/, "").split(".").pop();
  });
}

// Asyncify stops unwinding a stack, and later stops rewinding it. Where names are minified, those of the functions that
// hand the exports on tell, in the first call.
const STACKS = { asyncify_stop_unwind: 1, asyncify_stop_rewind: -1 };
// How a call of an export changes the number of stacks that are unwound.
export function stacksOf(name) {
  const titles = name.length > 3 ? [name] : [name, ...frames().slice(1, 4)];
  return titles.map((title) => STACKS[title.replace(/^_+/, "")]).find((change) => change) ?? 0;
}

// The function that makes an instance: its name, file and line.
export function maker() {
  const stack = lines(3);
  const line = stack.find((text) => !/node:internal|[/\\]hook\.mjs|Reflect\.|new Promise/.test(text)) ?? "";
  const [, title, place] = /^\s*at (?:async )?(?:new )?(?:(.*?) \()?(.*?):\d+\)?$/.exec(line) ?? [];
  if (!place) return "";
  return `${title ? `${title.split(".").pop()}, ` : ""}${place.split(/[/\\]/).pop()}`;
}

// Whether a function of Node's own called what watches it.
const HERE = new URL(".", import.meta.url).href;
export function isNodeAsking() {
  const line = lines(2).find((text) => !text.includes(HERE) && !text.includes("at Reflect.")) ?? "";
  return /\(?node:/.test(line);
}

const GUEST = /(wasm:\/\/[^\s()]*):wasm-function\[(\d+)\]/;
const MOST_FRAMES = 20; // as in a build
// Functions of the program that are running, by their index, innermost first.
export function guestFrames() {
  const found = [];
  let module = null; // the innermost one's: a library has functions of its own
  for (const line of lines(1, 8 * DEPTH)) {
    const [, place, index] = GUEST.exec(line) ?? [];
    if (place === undefined || (module ??= place) !== place) continue;
    if (found.push(Number(index)) === MOST_FRAMES) break;
  }
  return found;
}
