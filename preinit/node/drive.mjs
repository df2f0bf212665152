// Runs the user's script, under hook.mjs: what it does depends on the job's mode.
//
// A script exports load(), prepare(program), and maybe resume(program) and answer(program). One that exports neither of
// the first two is paused where it calls preinit.pause(), or at its end.
import path from "node:path";
import { inspect } from "node:util";
import { pathToFileURL } from "node:url";
import { dump, dumpAnywhere, isPending, loaded, milliseconds, overhead, settings, tell, times } from "./hook.mjs";

const { mode, script } = settings;
const IMPORTING = "importing it";
const NO_INSTANCE = new Error("preinit.pause() was called, and there is no instance of the module");
let step = IMPORTING;
let bare = false;

// Programs keep their own name: it must not depend on where the script lies.
process.argv = [process.argv[0], path.basename(script), ...settings.args];

const began = milliseconds();
const spent = () => milliseconds() - began - overhead();

function ended(code = 0) {
  process.exit(code);
}

const PAUSED = Symbol("paused"); // ends prepare() where nothing is recorded

globalThis.preinit = {
  // Ends Node at once; later, where the program runs in a worker.
  pause() {
    if (mode === "record" && dump()) ended();
    if (mode === "record") return dumpAnywhere().then((done) => (done ? ended() : fail(NO_INSTANCE, true)));
    const isBare = bare || step === IMPORTING;
    if (mode === "time" && isBare) finish();
    if (mode === "time" && step === "prepare()") throw PAUSED;
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

function fail(problem, ours = false) {
  const said = problem instanceof Error ? (ours ? problem.message : problem.stack) : inspect(problem);
  tell({ failed: { step, said: String(said).slice(0, 4000) } });
  ended(1);
}

const WHOLE = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, breakLength: Infinity, sorted: true };

function finish(answer) {
  const total = spent();
  tell({ total, ...times(), answer });
  ended();
}

process.on("exit", (code) => {
  if (!isPending()) return;
  // A bare script may end Node while it is imported.
  if (step === IMPORTING && code === 0) bare = true;
  if (bare && mode === "record" && dump()) return;
  if (mode === "record" && dump({ unfinished: { step, bare } })) return;
  if (bare && mode === "time") return tell({ total: spent(), ...times() });
  tell({ unfinished: { step, bare } });
});

async function main() {
  const found = await import(pathToFileURL(script));
  // Of CommonJS, Node may know some of the names only: the whole is the default.
  const steps = [found.default, found].find((exports) => exports?.load || exports?.prepare);
  if (!steps) {
    bare = true;
    process.once("beforeExit", () => {
      if (mode === "record") finishDump();
      if (mode === "time") finish();
    });
    return;
  }
  const perform = async (name, ...given) => {
    step = `${name}()`;
    if (steps[name] !== undefined && typeof steps[name] !== "function") throw new TypeError(`${name} is no function`);
    try {
      return await steps[name]?.(...given);
    } catch (problem) {
      if (problem !== PAUSED) throw problem;
    }
  };
  const program = await perform("load");
  loaded();
  if (mode === "load") return finishDump();
  await perform(settings.resumes ? "resume" : "prepare", program);
  if (mode === "record") return finishDump();
  if (!steps.answer) return finish();
  const answer = await perform("answer", program);
  const said = typeof answer === "string" ? answer : inspect(answer, WHOLE);
  finish(said);
}

async function finishDump() {
  step = "the pause";
  if (!(await dumpAnywhere())) tell({ missing: true });
  ended();
}

main().catch(fail);
