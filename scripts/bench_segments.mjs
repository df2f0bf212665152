// Medians of compiling and of starting a module, in milliseconds: bench_segments.mjs FILE...
import { readFileSync } from "node:fs";

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function measured(work, rounds, most) {
  const taken = [];
  const end = performance.now() + most;
  while (taken.length < rounds && (taken.length < 3 || performance.now() < end)) {
    const began = performance.now();
    work();
    taken.push(performance.now() - began);
  }
  return median(taken);
}

for (const file of process.argv.slice(2)) {
  const bytes = readFileSync(file);
  const compile = measured(() => new WebAssembly.Module(bytes), 15, 2000);
  const module = new WebAssembly.Module(bytes);
  const start = measured(() => new WebAssembly.Instance(module), 200, 2000);
  console.log(JSON.stringify({ compile, start }));
}
