// node bench_capture.mjs SCRIPT prepare|resume|stop [ARGS]: times a script of tests/real/glue in plain Node, from its import
// to its first answer, compiling apart. `stop`: it is prepared, and asked nothing. The environment names the module, MODULE,
// whose compiling is meant; other modules, as that of Node's own fetch, are the program's. It may name an output, HELD: glue
// that compiles the module gets it; it is read before the time begins.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const W = WebAssembly;
const real = { compile: W.compile, instantiate: W.instantiate, Module: W.Module };
const now = () => Number(process.hrtime.bigint()) / 1e6;
let compile = 0;
const since = (began) => (result) => {
  compile += now() - began;
  return result;
};
const { MODULE, HELD } = process.env;
const module = fs.readFileSync(MODULE);
const held = HELD && fs.readFileSync(HELD);
let swapped = 0;
const tail = (bytes) => bytes.subarray(-4096);
// Whether it is the module that is meant.
const isMeant = (bytes) => {
  if (bytes.byteLength !== module.length) return false;
  const view = ArrayBuffer.isView(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.from(bytes);
  return tail(view).equals(tail(module));
};
W.compile = (bytes, ...given) => {
  if (!isMeant(bytes)) return real.compile(bytes, ...given);
  swapped++;
  const took = since(now());
  return real.compile(HELD ? held : bytes, ...given).then(took);
};
W.instantiate = async (what, ...given) => {
  if (what instanceof real.Module) return real.instantiate(what, ...given);
  const module = await W.compile(what);
  return { module, instance: await real.instantiate(module, ...given) };
};
W.Module = new Proxy(real.Module, {
  construct(made, [bytes, ...given]) {
    if (!isMeant(bytes)) return new made(bytes, ...given);
    swapped++;
    const took = since(now());
    return took(new made(HELD ? held : bytes, ...given));
  },
});
W.compileStreaming = async (source) => W.compile(await (await source).arrayBuffer());
W.instantiateStreaming = async (source, ...given) => W.instantiate(await (await source).arrayBuffer(), ...given);

const [script, how] = process.argv.splice(2, 2);
const began = now();
const found = await import(pathToFileURL(path.resolve(script)));
const steps = found.default?.load ? found.default : found;
const program = await steps.load();
await steps[how === "stop" ? "prepare" : how]?.(program);
const answer = how === "stop" ? null : JSON.stringify(await steps.first(program));
const total = now() - began;
process.stdout.write("\n" + JSON.stringify({ total, compile, answer, swapped }), () => process.exit(0));
