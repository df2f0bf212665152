// Loads QuickJS by its own JavaScript glue and evaluates expressions in the context that the module already holds.
// Arguments: the glue, the module, then expressions. Prints what the glue was given, and the results, as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [glue, module, ...expressions] = process.argv.slice(2);
const load = createRequire(import.meta.url)(glue);
const quickjs = await load({ wasmBinary: readFileSync(module) });

const runtime = quickjs._QTS_NewRuntime();
const context = quickjs._QTS_NewContext(runtime, 0);
const results = expressions.map((expression) => {
  const size = quickjs.lengthBytesUTF8(expression);
  const source = quickjs._malloc(size + 1);
  quickjs.stringToUTF8(expression, source, size + 1);
  const evaluate = quickjs.cwrap("QTS_Eval", "number", ["number", "number", "number", "string", "number", "number"]);
  const value = evaluate(context, source, size, "eval.js", 0, 0);
  if (quickjs._QTS_ResolveException(context, value)) throw new Error(`${expression} threw`);
  const text = quickjs._QTS_GetString(context, value);
  return quickjs.UTF8ToString(text);
});
console.log(JSON.stringify({ runtime, context, results, pages: quickjs.HEAPU8.length / 65536 }));
