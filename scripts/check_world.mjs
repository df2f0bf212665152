// Runs a command in Node's WASI, as standard input says in JSON; what else it imports is never called.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const { file, env, args, preopens } = JSON.parse(readFileSync(0));
const wasi = new WASI({ version: "preview1", env, args, preopens, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(file));
const imports = wasi.getImportObject();
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  (imports[from] ??= {})[name] ??= () => {
    throw new Error(`${from}.${name} was called`);
  };
}
process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports));
