// Ruby in its own client, as its documentation has it, but for what was done already: `vm.initialize()` is left out.
// Arguments: the client's package, the module; standard input: variables as JSON. Says what Ruby sees of them.
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { WASI } from "node:wasi";

const { RubyVM } = await import(pathToFileURL(path.resolve(process.argv[2], "dist/esm/index.js")));
const wasi = new WASI({ version: "preview1", env: JSON.parse(readFileSync(0)), returnOnExit: true });
const vm = new RubyVM();
const imports = { wasi_snapshot_preview1: wasi.wasiImport };
vm.addToImports(imports);
const module = await WebAssembly.compile(readFileSync(process.argv[3]));
const instance = await WebAssembly.instantiate(module, imports);
await vm.setInstance(instance);
wasi.initialize(instance);
console.log(vm.eval('ENV.map { |name, value| "#{name} #{value.size}\\n" }.join').toString());
