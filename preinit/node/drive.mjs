// Runs the user's script, under hook.mjs: what it does depends on the job's mode.
//
// A script exports load(), prepare(program), and maybe resume(program) and answer(program). One that exports neither of
// the first two is paused where it calls preinit.pause(), or at its end.
import { createRequire } from "node:module";
import path from "node:path";
import { inspect } from "node:util";
import { pathToFileURL } from "node:url";
import { textOf } from "./answers.mjs";
import { fileSystem } from "./descriptors.mjs";
import { dump, dumpAnywhere, isPending, loaded, milliseconds, overhead, settings, tell, times } from "./hook.mjs";
import { everywhere } from "./instances.mjs";
import { watchKept } from "./kept.mjs";

const { mode, script } = settings;
const IMPORTING = "importing it";
const NO_INSTANCE = new Error("preinit.pause() was called, and there is no instance of the module");
const RUNNING = "its run"; // of a bare script, after it was imported
let step = IMPORTING;
let bare = false;
let unused = []; // see unusedOf

// Programs keep their own name: it must not depend on where the script lies.
process.argv = [process.argv[0], path.basename(script), ...settings.args];

const began = milliseconds();
const spent = () => milliseconds() - began - overhead() - looked;

function ended(code = 0) {
  process.exit(code);
}

const PAUSED = new Error("preinit.pause() ends prepare()"); // where nothing is recorded
let settle;
const paused = new Promise((resolve) => (settle = resolve));
let isPaused = false;

// The answer is asked for at once, as nothing of prepare() behind the pause may run; where that is not to be had, what
// is thrown ends prepare(). Called from a timer, nothing of prepare() would catch it.
function endPrepare() {
  if (isPaused) throw PAUSED;
  isPaused = true;
  try {
    atPause();
  } catch (problem) {
    fail(problem);
  }
  settle();
  const ignore = (problem) => problem === PAUSED || fail(problem);
  process.on("uncaughtException", ignore);
  setImmediate(() => process.off("uncaughtException", ignore));
  throw PAUSED;
}
let atPause = () => {};

globalThis.preinit = {
  // Ends Node at once; later, where the program runs in a worker.
  pause() {
    if (step === "load()") return refuse({ early: true });
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
  tell({ failed: { step, said: said.slice(0, 4000) }, ...kept.told(settings.resumes) });
  ended(1);
}

// What is wrong with the script, and with what it does.
function refuse(why) {
  tell(why);
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

// What JavaScript holds of the program, once it is prepared, or resumed; that takes time of ours.
let kept = { take() {}, told: () => ({}) };
let looked = 0; // milliseconds
function looking(look) {
  const began = milliseconds();
  const result = look();
  looked += milliseconds() - began;
  return result;
}

function finish(answer) {
  told(answer);
  ended();
}
function told(answer) {
  const total = spent();
  tell({ total, ...times(), answer, unused, ...kept.told(settings.resumes) });
}

// Else Node would say that it ended in a step that waits. The glue may have caught it, and go on.
let isCaught = false;
let late; // what nobody had caught when all was done
process.on("uncaughtExceptionMonitor", (problem) => {
  if (problem === PAUSED) return;
  if (!isPending()) return void (late ??= problem);
  isCaught = true;
  tell({ failed: { step, said: described(problem).slice(0, 4000) } }, true);
});

process.on("exit", (code) => {
  if (isLast && late !== undefined && code !== 0) {
    return tell({ failed: { step: last, said: described(late).slice(0, 4000) } }, false, true);
  }
  if (!isPending() || (isCaught && code !== 0)) return;
  // A bare script may end Node while it is imported; one that waits at its top level has not come to its end.
  if (step === IMPORTING && code === 0 && !waits) bare = true;
  if (code !== 0) bare = false;
  if (bare && mode === "record" && dump()) return;
  const unfinished = { step, bare, waits, code };
  if (mode === "record" && dump({ unfinished })) return;
  if (bare && mode === "time") return tell({ total: spent(), ...times() });
  tell({ unfinished });
});
// Comes before an end by itself only, not before process.exit().
let waits = false;
process.on("beforeExit", () => (waits = true));

// Promises that nobody awaits: what they do without waiting for anything outside of JavaScript is done before the pause.
const { nextTick } = process;
const immediate = setImmediate;
const drained = () => new Promise((resolve) => nextTick(() => nextTick(resolve)));

// Ends Node, which says first if nobody caught a promise's failure, as it does without us.
let isLast = false;
let last = ""; // the step that it came in
async function end() {
  isLast = true;
  await new Promise((resolve) => immediate(resolve));
  ended();
}

async function main() {
  const found = await import(pathToFileURL(script));
  // Of CommonJS, Node may know some of the names only: the whole is the default.
  const steps = [found.default, found].find((exports) => exports?.load || exports?.prepare);
  unused = unusedOf(steps ?? { ...found.default, ...found });
  if (!steps) {
    bare = true;
    step = RUNNING;
    process.once("beforeExit", () => {
      if (mode === "record") finishDump();
      if (mode === "time") finish();
    });
    return;
  }
  checkNames(everywhere().instances ? ["prepare"] : ["load", "prepare"]);
  const called = (name, program) => {
    step = `${name}()`;
    if (steps[name] !== undefined && typeof steps[name] !== "function") throw new TypeError(`${name} is no function`);
    return steps[name]?.(program);
  };
  const program = await called("load");
  loaded(program);
  if (mode === "load") return finishDump();
  if (mode === "time") kept = looking(() => watchKept(program, fileSystem()));
  const take = () => looking(kept.take);
  let answer; // of a pause in prepare()
  if (mode === "time") {
    atPause = () => {
      take();
      if (isPlain((answer = called("answer", program)))) conclude(answer);
    };
  }
  await prepared(() => called(settings.resumes ? "resume" : "prepare", program));
  if (!isPaused) await drained();
  last = step;
  if (mode === "record") return finishDump();
  if (!isPaused) take();
  conclude(await (isPaused ? answer : called("answer", program)));
}

const isPlain = (value) => typeof value?.then !== "function";

// Waits for prepare(), or for the pause in it.
async function prepared(prepare) {
  const wentOn = () => isPaused && isPending() && refuse({ wentOn: true });
  const ends = async () => {
    try {
      await prepare();
    } catch (problem) {
      if (problem !== PAUSED) throw problem;
      return;
    }
    wentOn();
  };
  await Promise.race([ends(), paused]);
}

function conclude(answer) {
  last = step;
  told(answer === undefined || answer === null ? undefined : textOf(answer)); // none proves nothing
  return isPaused ? ended() : end(); // nothing behind preinit.pause() runs
}

async function finishDump() {
  step = "the pause";
  if (!everywhere().instances) checkNames(["load", "prepare"]);
  if (!(await dumpAnywhere())) tell({ missing: true, ...everywhere() });
  if (last) await end();
  ended();
}

main().catch(fail);
