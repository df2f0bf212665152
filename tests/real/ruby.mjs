// Starts Ruby with its own client, npm's @ruby/wasm-wasi, in an instance for each environment. Arguments: the module,
// the folder in which the client is installed, and a Ruby expression whose value is a text. Standard input: a list of
// environments. Prints the expression's value in each instance, as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { WASI } from "node:wasi";

const [file, folder, expression] = process.argv.slice(2);
const { RubyVM } = createRequire(`${folder}/`)("@ruby/wasm-wasi");
const module = await WebAssembly.compile(readFileSync(file));
const values = [];
for (const env of JSON.parse(readFileSync(0))) {
  const wasip1 = new WASI({ version: "preview1", env, returnOnExit: true });
  const { vm } = await RubyVM.instantiateModule({ module, wasip1 });
  values.push(vm.eval(expression).toString());
}
console.log(JSON.stringify(values));
