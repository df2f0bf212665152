// Other modules than the captured one, of which instances are made: what they hold is not in the output.
//
// It stands under hook.mjs, whose functions of WebAssembly call these.
import fs from "node:fs";
import path from "node:path";

const folder = path.dirname(process.env.PREINIT_JOB);
const job = JSON.parse(fs.readFileSync(process.env.PREINIT_JOB, "utf8"));
const W = WebAssembly;
const real = { Module: W.Module, Instance: W.Instance, compile: W.compile, instantiate: W.instantiate };
const describe = { imports: W.Module.imports, exports: W.Module.exports };

const MOST = 6; // modules that are kept
const MOST_BYTES = 1 << 26; // of each
const HERE = new URL(".", import.meta.url).href;
const sources = new WeakMap(); // compiled module -> its bytes
const made = []; // {module, bytes, given: objects of JavaScript that it imports}

function copied(bytes) {
  const view = ArrayBuffer.isView(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : bytes instanceof ArrayBuffer || bytes instanceof SharedArrayBuffer ? Buffer.from(bytes) : null;
  return view && view.length <= MOST_BYTES ? Buffer.from(view) : null;
}
function compiled(module, bytes) {
  if (bytes && !isOurs(module)) sources.set(module, bytes);
  return module;
}
const isOurs = (module) => describe.exports(module).some(({ name }) => name.startsWith(job.prefix));

// Node itself loads CommonJS, and fetches, by modules of its own.
function isOfNode() {
  const lines = String(new Error().stack ?? "").split("\n").slice(1);
  return /node:internal/.test(lines.find((line) => !line.includes(HERE) && !/Reflect\./.test(line)) ?? "");
}
function instantiated(module, provided, ofNode) {
  if (ofNode || made.length === MOST || isOurs(module) || made.some((one) => one.module === module)) return;
  const wanted = describe.imports(module).filter(({ kind }) => kind === "memory" || kind === "table");
  made.push({ module, bytes: sources.get(module), given: wanted.map((one) => provided?.[one.module]?.[one.name]) });
}

if (job.mode === "record") {
  W.Module = new Proxy(real.Module, {
    construct(constructor, [bytes, ...rest], newTarget) {
      const asked = newTarget === W.Module ? constructor : newTarget;
      return compiled(Reflect.construct(constructor, [bytes, ...rest], asked), copied(bytes));
    },
  });
  W.Instance = new Proxy(real.Instance, {
    construct(constructor, [module, provided]) {
      const instance = new constructor(module, provided);
      instantiated(module, provided, isOfNode());
      return instance;
    },
  });
  W.compile = (bytes, ...rest) => {
    const kept = copied(bytes);
    return real.compile(bytes, ...rest).then((module) => compiled(module, kept));
  };
  W.instantiate = (what, provided, ...rest) => {
    const [kept, ofNode] = [copied(what), isOfNode()];
    return real.instantiate(what, provided, ...rest).then((result) => {
      const module = kept ? compiled(result.module, kept) : what instanceof real.Module ? what : result.module;
      instantiated(module, provided, ofNode);
      return result;
    });
  };
}

// Those that may hold something: their bytes are in files of the folder of the job. `shared`: all memories and tables
// that they import are the captured program's.
export function beside(target) {
  const own = new Set([target.memories, target.tables].flatMap((held) => Object.values(held)));
  const found = made.map(({ module, bytes, given }, number) => {
    if (bytes) fs.writeFileSync(path.join(folder, `beside${number}`), bytes);
    const names = describe.exports(module).map(({ name }) => name).slice(0, 3);
    return { known: Boolean(bytes), names, shared: given.every((value) => own.has(value)) };
  });
  return { beside: found };
}
