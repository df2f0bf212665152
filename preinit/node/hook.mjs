// node --import hook.mjs drive.mjs, with PREINIT_JOB naming a job (see instrument.py and runs.py).
//
// Gives another module to glue that instantiates the job's. In the mode "record" that is an instrumented copy, whose
// calls are watched, and whose state is written when the program is paused; in "load" an instrumented copy of the
// output, whose state is written once its glue is loaded; in "time", what is to be timed. Worker threads do the same.
import crypto from "node:crypto";
import * as fs from "node:fs"; // as it is now: a script may put others in the places of its functions
import path from "node:path";
import { isMainThread } from "node:worker_threads";
import { plain, pointed, propertiesOf, viewed } from "./arguments.mjs";
import { asked, note as noteAsked, noteMachine, settleAsked, watchMain, watcherOf } from "./asked.mjs";
import { frames, maker, stacksOf } from "./callers.mjs";
import { describe, lookForFiles, tellFolders } from "./descriptors.mjs";
import { FILES, watchFiles, wrote } from "./files.mjs";
import { beside, claims, everywhere, MOST_MAKERS, tellInstance } from "./instances.mjs";
import { began, ended, loadedBy, look, watchMemory } from "./loads.mjs";
import { watchArguments, watchMachine } from "./machine.mjs";
import { readGlobals, readTables, trapping, writeMemory } from "./state.mjs";
import { arrange, counts as given } from "./world.mjs";

const job = JSON.parse(fs.readFileSync(process.env.PREINIT_JOB, "utf8"));
const folder = path.dirname(process.env.PREINIT_JOB);
fs.writeFileSync(path.join(folder, "begun"), "");
const substitute = fs.readFileSync(job.substitute);
const W = WebAssembly;
const { stringify } = JSON;
const real = {
  Module: W.Module,
  Instance: W.Instance,
  compile: W.compile,
  instantiate: W.instantiate,
  imports: W.Module.imports,
  exports: W.Module.exports,
  set: W.Table.prototype.set,
  grow: W.Table.prototype.grow,
  promising: W.promising,
  now: process.hrtime.bigint,
  hash: crypto.createHash,
};
export const milliseconds = () => Number(real.now()) / 1e6;
const watches = job.mode !== "time";

// -- what is watched ---------------------------------------------------------------------------------------------------

const MOST_IMPORT_CALLS = 200_000;
const MOST_CALLS = 10_000;
const WHOLE = new Set(job.whole); // exports of which more calls are kept than two
const REPLAYED = new RegExp(`^(?:${job.replayed})`);

const substituted = new WeakSet(); // compiled modules
const unwrapped = new WeakMap(); // wrapped export -> export
const titles = new WeakMap(); // wrapped export -> its name
const aliases = new Map(); // name of an export -> what the program that load() gave calls it
const imports = []; // {index, module, name, kind, js, count, late}
const calls = []; // the first calls of each export that JavaScript made
const called = new Map(); // export -> how often JavaScript called it, and how often while it loaded the program
const others = []; // sizes of other modules that were compiled
let target = null; // the watched instance
let suspended = 0; // promises of exports that did not settle (JSPI), and stacks that Asyncify has unwound
let depth = 0;
let serving = ""; // the import that is being called
let current = null; // the call under way, if it is recorded
const starting = { name: "", phase: "load", args: [], frames: [], imports: [] }; // the start function's, before all else
let phase = "load";
let recorded = 0; // import calls
let lost = 0; // import calls, and calls, that were too many
let compiled = 0; // milliseconds
let checked = 0; // milliseconds in which bytes were compared with the job's

// Glue stamps its files with the time; a program reads random numbers as a file.
const inside = () => depth > 0;
const past = () => depth > 0 && !FILES.test(serving);
arrange(job.world, { clock: past, random: inside });
if (job.mode === "record") watchMachine(inside, past, (...what) => noteMachine(job.callers, ...what));

function wrapImport(entry, provided) {
  const title = entry.js || entry.name;
  // They catch what is thrown through them, and call straight back.
  if (/^invoke_/.test(title) || /^invoke_/.test(entry.name)) return provided;
  const watch = watcherOf(entry, job.callers);
  const isReplayed = REPLAYED.test(entry.js) || REPLAYED.test(entry.name);
  return function (...args) {
    entry.count++;
    if (phase !== "load") entry.late++;
    const caller = target ? depth === 1 && current : depth === 0 && starting;
    if (caller) {
      const isMade = isReplayed && target && (phase === "load" || WHOLE.has(caller.name));
      const stack = isMade ? pointed(target, job.pointer, args) : undefined;
      if (recorded++ < MOST_IMPORT_CALLS) caller.imports.push({ i: entry.index, args: args.map(plain), stack });
      else lost++;
    }
    const before = serving;
    const { clock, random } = given;
    serving = title;
    depth++;
    try {
      const result = provided.apply(this, args);
      watchFiles(target?.memories[0], serving, args, result);
      watch?.(target?.memories[0], args, result, given.random === random);
      return unwrapped.get(result) ?? result;
    } finally {
      if (given.clock !== clock) noteAsked("clock_time_get", job.callers);
      if (given.random !== random) noteAsked("random_get", job.callers);
      depth--;
      serving = before;
    }
  };
}

function wrapExport(name, actual) {
  const transparent = /^dynCall_/.test(name);
  let stacks; // how a call changes their number
  const wrapper = function (...args) {
    if (transparent) return actual(...bare(args));
    suspended += stacks ??= stacksOf(name);
    const before = [depth, current, serving];
    serving = "";
    let note = null;
    if (depth === 0) {
      const [before, loading] = called.get(name) ?? [0, 0];
      const times = before + 1;
      called.set(name, [times, loading + (phase === "load" ? 1 : 0)]);
      const more = WHOLE.has(name) && times <= job.most && (phase === "load" || loading === 0);
      if ((times <= 2 || more) && job.mode === "record") {
        note = { name, phase, args: args.map(plain), frames: frames(), imports: [] };
        if (times <= 2) note.texts = watchMain(target?.memories[0], name, note.frames, args);
        if (calls.length < MOST_CALLS) calls.push(note);
        else lost++;
      }
      current = note;
    }
    const tell = depth === 0 && phase === "load" ? began(target, name, args, job.pointer) : null;
    depth++;
    try {
      const result = actual(...bare(args));
      if (note) note.result = Array.isArray(result) ? result.map(plain) : plain(result);
      tell?.(result);
      return result;
    } catch (problem) {
      if (note) note.threw = true;
      throw problem;
    } finally {
      [depth, current, serving] = before;
      if (tell) ended(target?.memories[0]);
    }
  };
  Object.defineProperty(wrapper, "name", { value: actual.name });
  Object.defineProperty(wrapper, "length", { value: actual.length });
  unwrapped.set(wrapper, actual);
  titles.set(wrapper, name);
  return wrapper;
}

// Built from what the module asks for, not copied: GOT.func and GOT.mem are Proxies.
function watchedImports(module, provided) {
  const made = {};
  imports.length = 0;
  for (const { module: from, name, kind } of real.imports(module)) {
    const value = provided?.[from]?.[name];
    const isFunction = kind === "function" && typeof value === "function";
    // A function of another instance is called by its index.
    const js = isFunction ? value.name.replace(/^bound |^\d+$/, "") : "";
    const entry = { index: imports.length, module: from, name, kind, js, count: 0, late: 0 };
    imports.push(entry);
    Object.defineProperty(entry, "call", { value, enumerable: false });
    (made[from] ??= {})[name] = isFunction ? wrapImport(entry, value) : value;
  }
  return made;
}

function watched(instance, where) {
  tellInstance(where, real.now());
  const e = instance.exports;
  const named = (names) => Object.fromEntries(Object.entries(names).map(([index, name]) => [index, e[name]]));
  target = { exports: e, memories: named(job.memories), tables: named(job.tables), known: new Map() };
  if (job.candidates) job.references.forEach((index, i) => target.known.set(e[job.candidates].get(i), index));
  settleAsked(target.memories[0]);
  if (job.mode === "load") watchMemory(target.memories[0]);
  tellFolders(target.memories[0], imports, job.is64);
  target.before = { globals: readGlobals(target, job), tables: readTables(target) };
  const shown = {};
  for (const [name, value] of Object.entries(e)) {
    if (name.startsWith(job.prefix)) continue;
    shown[name] = typeof value === "function" ? wrapExport(name, value) : value;
  }
  Object.freeze(shown);
  return Object.create(real.Instance.prototype, { exports: { value: shown, enumerable: true } });
}

// -- patches -----------------------------------------------------------------------------------------------------------

const bare = (values) => values.map((value) => unwrapped.get(value) ?? value);
W.Table.prototype.set = function (...args) {
  return real.set.apply(this, bare(args));
};
W.Table.prototype.grow = function (...args) {
  return real.grow.apply(this, bare(args));
};
// What JavaScript makes of an export must be the export, as the engine takes no other function.
for (const name of ["Global", "Table"]) {
  const made = W[name];
  W[name] = new Proxy(made, {
    construct: (constructor, [type, ...rest], target) =>
      Reflect.construct(constructor, [type, ...bare(rest)], target === W[name] ? constructor : target),
  });
  made.prototype.constructor = W[name];
}
const { get, set } = Object.getOwnPropertyDescriptor(W.Global.prototype, "value");
Object.defineProperty(W.Global.prototype, "value", {
  get,
  set(value) {
    set.call(this, ...bare([value]));
  },
  enumerable: true,
  configurable: true,
});
if (real.promising) {
  W.promising = (actual) => {
    const made = real.promising(unwrapped.get(actual) ?? actual);
    return (...args) => {
      suspended++;
      return made(...args).finally(() => suspended--);
    };
  };
}

function isOurs(bytes) {
  const view = viewed(bytes);
  const began = milliseconds();
  const same = view?.length === job.size && real.hash("sha256").update(view).digest("hex") === job.sha256;
  checked += milliseconds() - began;
  if (!same && view && others.length < MOST_MAKERS) others.push(view.length);
  return same;
}

function ours(module) {
  substituted.add(module);
  return module;
}

// A thread may get a module that another one compiled.
function isSubstituted(module) {
  if (substituted.has(module)) return true;
  return watches && real.exports(module).some(({ name }) => name.startsWith(job.prefix));
}

async function compileOurs(rest) {
  const began = milliseconds();
  const module = ours(await real.compile(substitute, ...rest));
  compiled += milliseconds() - began;
  return module;
}

async function instantiateOurs(module, provided, rest, where) {
  if (!watches) return real.instantiate(module, provided, ...rest);
  return watched(await real.instantiate(module, watchedImports(module, provided), ...rest), where);
}

W.Module = new Proxy(real.Module, {
  construct(constructor, [bytes, ...rest], newTarget) {
    const asked = newTarget === W.Module ? constructor : newTarget;
    if (!isOurs(bytes)) return Reflect.construct(constructor, [bytes, ...rest], asked);
    const began = milliseconds();
    const module = ours(Reflect.construct(constructor, [substitute, ...rest], asked));
    compiled += milliseconds() - began;
    return module;
  },
  get(constructor, key) {
    if (key !== "exports") return Reflect.get(constructor, key, constructor);
    return (module) => real.exports(module).filter((e) => !watches || !e.name.startsWith(job.prefix));
  },
});
real.Module.prototype.constructor = W.Module;
W.Instance = new Proxy(real.Instance, {
  construct(constructor, [module, provided]) {
    if (!watches || !isSubstituted(module)) return new constructor(module, provided);
    return watched(new constructor(module, watchedImports(module, provided)), maker());
  },
});
W.compile = async (bytes, ...rest) => (isOurs(bytes) ? compileOurs(rest) : real.compile(bytes, ...rest));
async function instantiate(where, what, provided, ...rest) {
  if (what instanceof real.Module) {
    if (isSubstituted(what)) return instantiateOurs(what, provided, rest, where);
    return real.instantiate(what, provided, ...rest);
  }
  if (!isOurs(what)) return real.instantiate(what, provided, ...rest);
  const module = await compileOurs(rest);
  return { module, instance: await instantiateOurs(module, provided, rest, where) };
}
W.instantiate = (...given) => instantiate(maker(), ...given);
const received = async (source) => (await source).arrayBuffer();
W.compileStreaming = async (source, ...rest) => W.compile(await received(source), ...rest);
W.instantiateStreaming = async (source, ...rest) => {
  const where = maker();
  return instantiate(where, await received(source), ...rest);
};

// -- state -------------------------------------------------------------------------------------------------------------

function write(state) {
  const partial = path.join(folder, "state.partial");
  fs.writeFileSync(partial, stringify(state));
  fs.renameSync(partial, path.join(folder, "state.json"));
}

let written = false;
export function dump(more = {}) {
  if (written || !target) return false;
  const state = {
    ...more,
    ...everywhere(), depth, suspended, phase, lost, imports, given,
    calls: starting.imports.length ? [starting, ...calls] : calls,
    globals: readGlobals(target, job),
    tables: readTables(target),
    before: target.before,
    droppedData: trapping(target, job.probes.data),
    droppedElements: trapping(target, job.probes.elements),
    called: [...called].map(([name, [times, loading]]) => [name, times, loading]),
    wrote: [...wrote],
    asked: asked(),
    ...loadedBy(), ...beside(target),
    aliases: Object.fromEntries(aliases),
    resources: process.getActiveResourcesInfo?.() ?? [],
  };
  Object.entries(target.memories).forEach(([index, memory]) => writeMemory(path.join(folder, `memory${index}`), memory));
  const files = depth === 0 && target.memories[0] ? describe(target.memories[0], imports, job.wide, job.is64) : {};
  write({ ...state, files });
  written = true;
  return true;
}

// What became of a run that wrote no state of the program; the first word counts. `unless`: unless it goes on. `still`:
// it failed after all.
export function tell(outcome, unless = false, still = false) {
  if (written && !still) return;
  written = !unless;
  write({ ...outcome, others });
}

export const isPending = () => !written;
export const times = () => ({ compile: compiled });
export const overhead = () => checked;
export const settings = job;

// -- threads -----------------------------------------------------------------------------------------------------------

// The program may run in a worker: the main thread asks all of them, and waits for the one that has the module.
const PATIENCE = 3_000; // milliseconds
let threads = 0;
process.on("worker", () => threads++);
const channel = new BroadcastChannel("preinit");
channel.unref?.();
channel.onmessage = ({ data }) => {
  if (data === "loaded") phase = "prepare";
  if (data === "pause" && target && claims() && dump()) channel.postMessage("paused");
};
export function loaded(program) {
  if (phase === "load") look(target?.memories[0]);
  phase = "prepare";
  lookForFiles(program);
  if (job.mode === "record") watchArguments(program);
  for (const [key, { value }] of propertiesOf(program)) {
    const name = titles.get(value);
    if (name !== undefined && name !== key) aliases.set(name, key);
  }
  channel.postMessage("loaded");
}
export function dumpAnywhere() {
  if (target) return Promise.resolve(dump());
  if (!threads) return Promise.resolve(false);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), PATIENCE);
    channel.onmessage = ({ data }) => {
      if (data !== "paused") return;
      clearTimeout(timer);
      written = true;
      resolve(true);
    };
    channel.postMessage("pause");
  });
}

// -- the output itself --------------------------------------------------------------------------------------------------

// Before the script runs: what is wrong with the output whose instrumented copy it gets.
if (job.validates && isMainThread) {
  const bytes = fs.readFileSync(job.validates);
  if (!W.validate(bytes)) {
    let invalid = "WebAssembly.validate says no more";
    try {
      new real.Module(bytes); // which says why
    } catch (problem) {
      invalid = problem.message;
    }
    tell({ invalid });
    process.exit(1);
  }
}
