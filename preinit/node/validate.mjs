// node validate.mjs: says what is wrong with a module, with exit code 1. Standard input names its file.
import { readFileSync } from "node:fs";

const bytes = readFileSync(readFileSync(0));
if (!WebAssembly.validate(bytes)) {
  try {
    new WebAssembly.Module(bytes); // which says why
  } catch (problem) {
    console.error(problem.message);
  }
  process.exit(1);
}
