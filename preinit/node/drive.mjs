// Runs the user's script, under hook.mjs: what it does depends on the job's mode.
//
// A script exports load(), prepare(program), and maybe resume(program) and answer(program). One that exports neither of
// the first two is paused where it calls preinit.pause(), or at its end.
import { createRequire } from "node:module";
import path from "node:path";
import { inspect } from "node:util";
import { pathToFileURL } from "node:url";
import { dump, dumpAnywhere, isPending, loaded, milliseconds, overhead, settings, tell, times } from "./hook.mjs";
import { everywhere } from "./instances.mjs";

const { mode, script } = settings;
const IMPORTING = "importing it";
const NO_INSTANCE = new Error("preinit.pause() was called, and there is no instance of the module");
let step = IMPORTING;
let bare = false;
let unused = []; // see unusedOf

// Programs keep their own name: it must not depend on where the script lies.
process.argv = [process.argv[0], path.basename(script), ...settings.args];

const began = milliseconds();
const spent = () => milliseconds() - began - overhead();

function ended(code = 0) {
  process.exit(code);
}

const PAUSED = new Error("paused"); // ends prepare() where nothing is recorded
let settle;
const paused = new Promise((resolve) => (settle = resolve));

// Called from a timer, nothing of prepare() would catch it.
function endPrepare() {
  settle();
  const ignore = (problem) => problem === PAUSED || fail(problem);
  process.on("uncaughtException", ignore);
  setImmediate(() => process.off("uncaughtException", ignore));
  throw PAUSED;
}

globalThis.preinit = {
  // Ends Node at once; later, where the program runs in a worker.
  pause() {
    if (mode === "record" && dump()) ended();
    if (mode === "record") return dumpAnywhere().then((done) => (done ? ended() : fail(NO_INSTANCE, true)));
    const isBare = bare || step === IMPORTING;
    if (mode === "time" && isBare) finish();
    if (mode === "time" && step === "prepare()") endPrepare();
    if (mode === "load" && isBare) {
      tell({ unfinished: { step, bare: true } });
      ended();
    }
  },
  loaded() {
    loaded();
    if (mode === "load" && dump()) ended();
  },
};

// Where the script is no JavaScript: only Node itself tells the place.
function misspelt(problem) {
  if (!(problem instanceof SyntaxError) || step !== IMPORTING) return "";
  const { spawnSync } = createRequire(import.meta.url)("node:child_process"); // which takes time to load
  const env = { ...process.env, NODE_NO_WARNINGS: "1" };
  return spawnSync(process.execPath, ["--check", script], { encoding: "utf8", env }).stderr;
}

// Without the lines of the stack that are ours.
const HERE = new URL(".", import.meta.url).href;
function described(problem) {
  if (!(problem instanceof Error)) return inspect(problem);
  const lines = String(problem.stack ?? problem).split("\n");
  return lines.filter((line) => !/^\s+at /.test(line) || !line.includes(HERE)).join("\n");
}

function fail(problem, ours = false) {
  const said = ours ? problem.message : misspelt(problem) || described(problem);
  tell({ failed: { step, said: said.slice(0, 4000) } });
  ended(1);
}

// Exports that are nearly those that a script has: a letter more, less, or another one, or letters in another order.
const STEPS = ["load", "prepare", "resume", "answer"];
const sorted = (text) => [...text.toLowerCase()].sort().join("");
function isNear(name, step) {
  const [one, other] = [name.toLowerCase(), step];
  if (sorted(one) === sorted(other)) return true;
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  const rests = [[at + 1, at], [at, at + 1], [at + 1, at + 1]];
  return rests.some(([a, b]) => one.slice(a) === other.slice(b));
}
// Functions that a script exports and nothing calls, and what each may be meant as, of what it lacks.
function unusedOf(steps) {
  const missing = STEPS.filter((step) => steps[step] === undefined);
  const names = Object.keys(steps).filter((name) => !STEPS.includes(name) && typeof steps[name] === "function");
  const near = names.map((name) => [name, missing.find((step) => isNear(name, step))]);
  return near.filter(([, meant]) => meant);
}

// Ends the run if what a capture can't do without is there under another name; where it can, a name is the script's own.
function checkNames(needed) {
  const [name, meant] = unused.find(([, meant]) => needed.includes(meant)) ?? [];
  if (!meant) return;
  tell({ misspelt: { name, meant } });
  ended(1);
}

const WHOLE = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, breakLength: Infinity, sorted: true };

function finish(answer) {
  const total = spent();
  tell({ total, ...times(), answer, unused });
  ended();
}

// What stands in a value that is no plain one, as text; undefined if all is plain.
function notPlain(value, place, seen = new Set()) {
  if (typeof value === "function" || typeof value === "symbol") return `${place} is a ${typeof value}`;
  if (typeof value?.then === "function") return `${place} is a promise`;
  if (value === null || typeof value !== "object" || seen.has(value)) return undefined;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return undefined;
  for (const [key, held] of Object.entries(value)) {
    const found = notPlain(held, `${place}.${key}`, seen);
    if (found) return found;
  }
}

// Else Node would say that it ended in a step that waits.
process.on("uncaughtExceptionMonitor", (problem) => {
  if (isPending() && !bare && problem !== PAUSED) tell({ failed: { step, said: described(problem).slice(0, 4000) } });
});

process.on("exit", (code) => {
  if (!isPending()) return;
  // A bare script may end Node while it is imported.
  if (step === IMPORTING && code === 0) bare = true;
  if (bare && mode === "record" && dump()) return;
  const unfinished = { step, bare, waits, code };
  if (mode === "record" && dump({ unfinished })) return;
  if (bare && mode === "time") return tell({ total: spent(), ...times() });
  tell({ unfinished });
});
// Comes before an end by itself only, not before process.exit().
let waits = false;
process.on("beforeExit", () => (waits = true));

async function main() {
  const found = await import(pathToFileURL(script));
  // Of CommonJS, Node may know some of the names only: the whole is the default.
  const steps = [found.default, found].find((exports) => exports?.load || exports?.prepare);
  unused = unusedOf(steps ?? { ...found.default, ...found });
  if (!steps) {
    bare = true;
    process.once("beforeExit", () => {
      if (mode === "record") finishDump();
      if (mode === "time") finish();
    });
    return;
  }
  checkNames(everywhere().instances ? ["prepare"] : ["load", "prepare"]);
  const perform = async (name, ...given) => {
    step = `${name}()`;
    if (steps[name] !== undefined && typeof steps[name] !== "function") throw new TypeError(`${name} is no function`);
    try {
      return await Promise.race([steps[name]?.(...given), ...(name === "prepare" ? [paused] : [])]);
    } catch (problem) {
      if (problem !== PAUSED) throw problem;
    }
  };
  const program = await perform("load");
  loaded(program);
  if (mode === "load") return finishDump();
  await perform(settings.resumes ? "resume" : "prepare", program);
  if (mode === "record") return finishDump();
  if (!steps.answer) return finish();
  const answer = await perform("answer", program);
  if (answer === undefined || answer === null) return finish(); // it proves nothing
  const unlike = notPlain(answer, "answer(program)");
  if (unlike) throw new TypeError(`${unlike}, which can't be compared: return numbers, texts, and lists or objects of them`);
  const said = typeof answer === "string" ? answer : inspect(answer, WHOLE);
  finish(said);
}

async function finishDump() {
  step = "the pause";
  if (!everywhere().instances) checkNames(["load", "prepare"]);
  if (!(await dumpAnywhere())) tell({ missing: true, ...everywhere() });
  ended();
}

main().catch(fail);
