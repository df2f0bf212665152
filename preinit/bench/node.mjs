// Measures in Node what copies.py measures in wasmtime. The request comes on standard input, the answer goes to
// standard output, both as JSON. Run with --expose-gc.

import { closeSync, openSync, readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const WASI_MODULE = "wasi_snapshot_preview1";
const request = JSON.parse(readFileSync(0, "utf8"));
const nowhere = openSync("/dev/null", "w");

class Failure extends Error {
  constructor(step, side, cause) {
    super(String(cause?.message ?? cause));
    Object.assign(this, { step, side: side.name });
  }
}

const read = {
  i32: (bits) => bits.readInt32LE(),
  i64: (bits) => bits.readBigInt64LE(),
  f32: (bits) => bits.readFloatLE(),
  f64: (bits) => bits.readDoubleLE(),
};
const value = ({ type, bits }) => read[type](Buffer.from(bits, "hex"));

function provide(entry) {
  switch (entry.kind) {
    case "memory":
      return new WebAssembly.Memory(entry.descriptor);
    case "table":
      return new WebAssembly.Table(entry.descriptor);
    case "global":
      return new WebAssembly.Global({ value: entry.type, mutable: entry.mutable }, value(entry));
  }
  if (entry.answer) {
    const answers = entry.answer.map(value);
    return () => (answers.length > 1 ? answers : answers[0]);
  }
  return () => {
    throw new Error(`it called the import ${entry.module}.${entry.name}, which does not exist here`);
  };
}

function compile(side) {
  const bytes = readFileSync(side.path);
  const began = performance.now();
  try {
    side.module = new WebAssembly.Module(bytes);
  } catch (problem) {
    throw new Failure("compile", side, problem);
  }
  side.compileSeconds = (performance.now() - began) / 1000;
}

// Calls exports in order, as passes/run/calls.py does. `spent`: milliseconds in them.
class Caller {
  constructor(exports) {
    Object.assign(this, { exports, returned: 0, spent: 0 });
  }

  perform({ name, given, returns }) {
    this.returned = this.call(name, given.flatMap((part) => this.values(part)));
    if (returns === "result" && this.bytes(this.returned, 1)[0]) {
      const [start, size] = [4, 8].map((offset) => this.word(this.returned + offset));
      throw new Error(`${name} refuses: ${new TextDecoder().decode(this.bytes(start, size))}`);
    }
  }

  call(name, values) {
    const called = this.exports[name];
    const began = performance.now();
    const returned = called(...values);
    this.spent += performance.now() - began;
    const first = Array.isArray(returned) ? returned[0] : returned;
    return typeof first === "bigint" ? Number(BigInt.asUintN(32, first)) : first >>> 0;
  }

  values(part) {
    if ("word" in part) return [this.word(this.returned + part.word)];
    if (!("data" in part)) return [value(part)];
    const content = Buffer.from(part.data, "base64");
    const place = this.call(part.allocator, part.arguments.map((argument) => argument ?? content.length));
    this.bytes(place, content.length).set(content);
    return [place, content.length];
  }

  word(place) {
    return Buffer.from(this.bytes(place, 4)).readUInt32LE();
  }

  bytes(place, size) {
    const { buffer } = this.exports.memory;
    if (place + size > buffer.byteLength) throw new Error(`the address ${place} is outside of memory`);
    return new Uint8Array(buffer, place, size);
  }
}

// A copy, and the seconds that it took: what provides its imports is made before.
function start(side) {
  const stdin = openSync(request.stdin, "r");
  const wasi = new WASI({ version: "preview1", ...request.wasi, stdin, stdout: nowhere, stderr: nowhere });
  const provided = wasi.getImportObject()[WASI_MODULE];
  const imports = {};
  let usesWasi = false;
  for (const entry of side.imports) {
    const own = request.hasWasi && entry.module === WASI_MODULE && !entry.stubbed ? provided[entry.name] : undefined;
    usesWasi ||= own !== undefined;
    (imports[entry.module] ??= Object.create(null))[entry.name] ??= own ?? provide(entry);
  }
  try {
    const began = performance.now();
    const instance = new WebAssembly.Instance(side.module, imports);
    const spent = performance.now() - began;
    // Only the memory is handed over: `initialize` would call `_initialize` as well.
    if (usesWasi) wasi.initialize({ exports: { memory: instance.exports.memory } });
    const caller = new Caller(instance.exports);
    side.calls.forEach((call) => caller.perform(call));
    return { instance, seconds: (spent + caller.spent) / 1000 };
  } catch (problem) {
    throw new Failure("run", side, problem);
  } finally {
    closeSync(stdin);
  }
}

function collect() {
  const began = performance.now();
  globalThis.gc();
  return (performance.now() - began) / 1000;
}

function usage() {
  try {
    const text = readFileSync("/proc/self/smaps_rollup", "latin1");
    return ["Rss", "Pss"].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)[1]) * 1024);
  } catch {
    return null;
  }
}

function rate(side) {
  const began = performance.now();
  let spent = 0;
  let copies = 0;
  while (!copies || (copies < request.mostInARow && (performance.now() - began) / 1000 < request.share)) {
    spent += start(side).seconds;
    copies += 1;
    if (copies % 64 === 0) spent += collect();
  }
  return copies / (spent + collect());
}

function alive(side) {
  collect();
  collect();
  const copies = [start(side).instance]; // may take what others have left: it is not counted
  const before = usage();
  if (!before) return null;
  const began = performance.now();
  let grown = [0, 0];
  do {
    copies.push(start(side).instance);
    grown = usage().map((now, which) => Math.max(0, now - before[which]));
  } while (
    copies.length <= request.mostAlive &&
    grown[0] < request.mostMemory &&
    (performance.now() - began) / 1000 < request.share
  );
  if (!grown[0]) return null; // something else was freed meanwhile: it can't be told
  return { copies: copies.length - 1, resident: grown[0], proportional: grown[1] };
}

try {
  const { sides } = request;
  sides.forEach(compile);
  sides.forEach((side) => start(side));
  const memory = sides.map(alive); // first, as long as nothing that was freed can be taken again
  const seconds = sides.map(() => []);
  const began = performance.now();
  for (let round = 0; round < request.rounds; round += 1) {
    if (round >= request.leastRounds && (performance.now() - began) / 1000 > request.seconds) break;
    sides.forEach((side, which) => {
      collect();
      seconds[which].push(start(side).seconds);
    });
  }
  const found = sides.map((side, which) => ({
    compileSeconds: side.compileSeconds,
    seconds: seconds[which],
    copiesPerSecond: rate(side),
    memory: memory[which],
  }));
  process.stdout.write(JSON.stringify({ v8: process.versions.v8, sides: found }));
} catch (problem) {
  const { step = "script", side = null } = problem;
  process.stdout.write(JSON.stringify({ error: { step, side, message: String(problem.message ?? problem) } }));
}
