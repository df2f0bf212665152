// What JavaScript holds that no module can: values of the program that load() gave, and files of its glue. Each is a
// text that tells whether it is still so, by its name.
import crypto from "node:crypto";
import path from "node:path";
import { types } from "node:util";

const DEPTH = 3;
const MOST_VALUES = 5000;
const MOST_FILES = 20_000;
const MOST_BYTES = 1 << 28; // that are looked at, of files and of arrays, each time
const LONGEST = 100; // characters of a value
const PAGE = 1 << 16;
const hash = crypto.createHash;
const readGlobal = Object.getOwnPropertyDescriptor(WebAssembly.Global.prototype, "value").get;
const digest = (bytes) => hash("sha256").update(bytes).digest("hex").slice(0, 16);

// -- values ------------------------------------------------------------------------------------------------------------

const numbers = new WeakMap(); // function -> its number
let count = 0;
function numberOf(value) {
  if (!numbers.has(value)) numbers.set(value, ++count);
  return numbers.get(value);
}

function simple(value) {
  const text = typeof value === "string" ? JSON.stringify(value) : Object.is(value, -0) ? "-0" : `${typeof value} ${String(value)}`;
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} ${text.length} ${digest(text)}` : text;
}

function arrayText(value, budget) {
  const { buffer, byteOffset, byteLength } = value;
  // Those are views of a memory, which the program changes.
  if (types.isSharedArrayBuffer(buffer) || (buffer.byteLength && buffer.byteLength % PAGE === 0)) return "view";
  budget.bytes -= byteLength;
  return budget.bytes < 0 ? `bytes ${byteLength}` : `bytes ${byteLength} ${digest(new Uint8Array(buffer, byteOffset, byteLength))}`;
}

const IS_NAME = /^[A-Za-z_$][\w$]*$/;
const keyed = (key) => (typeof key === "string" && IS_NAME.test(key) ? `.${key}` : `[${typeof key === "string" && !/^\d+$/.test(key) ? JSON.stringify(key) : String(key)}]`);
const isPrimitive = (value) => value === null || (typeof value !== "object" && typeof value !== "function");
const OF_FUNCTIONS = new Set(["length", "name", "prototype", "arguments", "caller"]);

// Glue puts others in the places of these with their first call: `(...a) => (f = Module.f = exports.f)(...a)`.
const STUB = "function that calls what it assigns";
const ASSIGNS = /\([\w$.[\]"' ]+=[^()>]*\)\s*(\.apply\s*)?\(/;
const LONGEST_STUB = 400; // characters
function functionText(value) {
  const source = Function.prototype.toString.call(value);
  return source.length < LONGEST_STUB && ASSIGNS.test(source) ? STUB : `function ${numberOf(value)}`;
}

// What it is, and what it holds, as pairs of names and values.
function opened(value, budget) {
  if (isPrimitive(value)) return [simple(value), []];
  if (types.isProxy(value)) return ["proxy", []];
  if (ArrayBuffer.isView(value)) return [arrayText(value, budget), []];
  if (types.isAnyArrayBuffer(value)) return ["buffer", []];
  if (types.isMap(value)) {
    const entries = [...Map.prototype.entries.call(value)].slice(0, MOST_VALUES);
    const keys = entries.map(([key], at) => (isPrimitive(key) ? simple(key) : `${at}`));
    return [`map ${keys.length} ${digest(keys.join("\n"))}`, entries.map(([, held], at) => [`.get(${keys[at].replace(/^[a-z]+ /, "")})`, held])];
  }
  if (types.isSet(value)) {
    const held = [...Set.prototype.values.call(value)].slice(0, MOST_VALUES);
    return [`set ${held.length} ${digest(held.map((one) => (isPrimitive(one) ? simple(one) : "")).join("\n"))}`, []];
  }
  const own = Object.getOwnPropertyDescriptors(value);
  const keys = Reflect.ownKeys(own).filter((key) => "value" in own[key]);
  const held = (kept) => kept.slice(0, MOST_VALUES).map((key) => [keyed(key), own[key].value]);
  if (typeof value === "function") return [functionText(value), held(keys.filter((key) => !OF_FUNCTIONS.has(key)))];
  if (types.isDate(value)) return [`date ${Date.prototype.getTime.call(value)}`, held(keys)];
  if (Array.isArray(value)) return [`array ${value.length}`, held(keys.filter((key) => key !== "length"))];
  if (value instanceof WebAssembly.Global) {
    const now = readGlobal.call(value);
    return [isPrimitive(now) ? `global ${simple(now)}` : "global", []];
  }
  return ["object", held(keys)];
}

// The file system of Emscripten's glue: it is looked at otherwise.
const isFileSystem = (value) => ["streams", "nameTable"].every((name) => Array.isArray(Object.getOwnPropertyDescriptor(value, name)?.value));

// Those of a program, nearest first, and the file systems among them. No getter is called.
function valuesOf(program) {
  const [found, systems] = [new Map(), new Set()];
  const budget = { bytes: MOST_BYTES };
  let isWhole = true;
  let [seen, hasAll] = [0, true]; // so deep, all are among them; whether all of the next level are to come
  if (isPrimitive(program) || ArrayBuffer.isView(program)) return { found, systems, isWhole };
  let level = [["", program, []]];
  for (let depth = 0; depth <= DEPTH && level.length; depth++) {
    const next = [];
    for (const [name, value, outer] of level) {
      if (found.size >= MOST_VALUES) return { found, systems, isWhole: false, seen };
      let text, held;
      try {
        if (!isPrimitive(value) && !types.isProxy(value) && isFileSystem(value)) {
          systems.add(value);
          continue;
        }
        [text, held] = opened(value, budget);
      } catch {
        continue; // it does not let itself be looked at
      }
      if (value !== undefined) found.set(name, text);
      for (const [key, one] of held) {
        if (!isPrimitive(one) && (one === value || outer.includes(one))) continue;
        const inner = name === "" ? key.replace(/^\./, "") : `${name}${key}`;
        if (next.length < MOST_VALUES) next.push([inner, one, [...outer, value]]);
        else isWhole = false;
      }
    }
    if (hasAll) seen = depth;
    hasAll = isWhole;
    level = next;
  }
  return { found, systems, isWhole, seen };
}

// -- files -------------------------------------------------------------------------------------------------------------

const [KIND, FOLDER, LINK, FILE] = [0o170000, 0o040000, 0o120000, 0o100000];
const NOT_FILES = new Set(["/dev", "/proc"]);

function contentOf(node, budget) {
  const { contents, usedBytes } = node;
  const size = usedBytes ?? contents?.length ?? 0;
  budget.bytes -= size;
  const isPlain = ArrayBuffer.isView(contents) || Array.isArray(contents);
  return isPlain && budget.bytes >= 0 ? `${size} ${digest(Uint8Array.from(contents.slice(0, size)))}` : `${size}`;
}

// Those of a file system of Emscripten's glue: only names of what is mounted, where that is of another kind.
function filesOf(system) {
  const [found, times] = [new Map(), new Map()];
  const budget = { bytes: MOST_BYTES };
  const todo = system?.root ? [["/", system.root]] : [];
  let isWhole = true;
  while (todo.length) {
    const [name, at] = todo.shift();
    if (found.size >= MOST_FILES) return { found, times, isWhole: false };
    const mount = at.mounted && name !== "/" ? at.mounted : null;
    const node = mount?.root ?? at;
    const mode = node.mode.toString(8);
    const isFolder = (node.mode & KIND) === FOLDER;
    const holds = isFolder && Object(node.contents) === node.contents && !ArrayBuffer.isView(node.contents);
    if (mount && !holds) found.set(name, `mount ${typeof mount.opts?.root === "string" ? mount.opts.root : ""}`);
    else if (isFolder) found.set(name, `folder ${mode}${mount ? " mount" : ""}`);
    else if ((node.mode & KIND) === LINK) found.set(name, `link ${node.link}`);
    else if ((node.mode & KIND) === FILE) found.set(name, `file ${mode} ${contentOf(node, budget)}`);
    else found.set(name, `other ${mode}`);
    if ((node.mode & KIND) === FILE) times.set(name, String(Number(node.mtime ?? node.timestamp)));
    if (!holds) continue;
    for (const [key, one] of Object.entries(node.contents)) {
      const inner = path.posix.join(name, key);
      if (!NOT_FILES.has(inner) && one?.mode !== undefined) todo.push([inner, one]);
    }
  }
  return { found, times, isWhole };
}

// -- both --------------------------------------------------------------------------------------------------------------

const NULL = simple(null);
// Whether a name would be among those that were looked at.
const covers = (looked, name) => looked.isWhole || (looked.seen > 0 && !/[.[]/.test(name));
// `now`: the text, or null where it is not there any more.
function changes(before, now) {
  const found = [];
  for (const [name, text] of now.found) {
    if ([undefined, NULL].includes(before.found.get(name))) {
      if (covers(before, name) && text !== NULL) found.push([name, "made", text]);
    } else if (before.found.get(name) === STUB && text.startsWith("function")) continue;
    else if (before.found.get(name) !== text) found.push([name, "changed", text]);
    else if (now.times && before.times.get(name) !== now.times.get(name)) found.push([name, "touched", `${text} touched`]);
  }
  for (const name of before.found.keys()) if (!now.found.has(name) && covers(now, name)) found.push([name, "gone", null]);
  return found;
}

const NOTHING = { found: new Map(), systems: new Set(), times: new Map(), isWhole: true };
function both(program, system) {
  const kept = { values: NOTHING, files: NOTHING };
  try {
    kept.values = valuesOf(program);
    kept.files = filesOf(system ?? [...kept.values.systems][0]);
  } catch {
    // another kind of program, or glue, than is known
  }
  return kept;
}

// What a program is like now; called later, that tells what has changed since. `system`: the glue's file system, if it is known.
export function watchKept(program, system) {
  const before = both(program, system);
  let now = null;
  return {
    take: () => (now = both(program, system)),
    told(all) {
      if (!now && !all) return {};
      const last = now ?? before;
      return Object.fromEntries(["values", "files"].map((kind) => [
        kind,
        {
          changes: changes(before[kind], last[kind]), now: all ? Object.fromEntries(last[kind].found) : {},
          most: before[kind].isWhole && last[kind].isWhole ? 0 : kind === "files" ? MOST_FILES : MOST_VALUES,
        },
      ]));
    },
  };
}
