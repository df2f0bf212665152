// node validate.mjs MODULE: says what is wrong with a module, with exit code 1.
import { readFileSync } from "node:fs";

try {
  new WebAssembly.Module(readFileSync(process.argv[2]));
} catch (problem) {
  console.error(problem.message);
  process.exit(1);
}
