// What a watched instance holds: read through the exports that its copy has for that.
import * as fs from "node:fs";

// A function of the module by its index; null; or what else it is, as text.
function referred(target, value) {
  if (value === null || value === undefined) return value === null ? null : "undefined";
  return target.known.get(value) ?? (typeof value === "function" ? "foreign" : "object");
}

// Of each global, its bits or what it holds, by index.
export function readGlobals(target, job) {
  const found = {};
  // Bits of numbers come as integers: JavaScript would change a NaN, and has no vectors.
  for (const [index, { readers, wide }] of Object.entries(job.numbers)) {
    const bits = Buffer.alloc(readers.length * (wide ? 8 : 4));
    readers.forEach((name, i) => {
      const value = target.exports[name]();
      if (wide) bits.writeBigInt64LE(value, 8 * i);
      else bits.writeInt32LE(value, 4 * i);
    });
    found[index] = bits.toString("hex");
  }
  for (const [index, name] of Object.entries(job.held)) {
    try {
      found[index] = { holds: referred(target, target.exports[name].value) };
    } catch {
      found[index] = { holds: "object" }; // of a type that JavaScript does not see
    }
  }
  return found;
}

// Of each table, what its entries hold, by index.
export function readTables(target) {
  return Object.fromEntries(
    Object.entries(target.tables).map(([index, table]) => {
      return [index, Array.from({ length: Number(table.length) }, (_, i) => entryOf(target, table, i))];
    }),
  );
}

function entryOf(target, table, i) {
  try {
    return referred(target, table.get(typeof table.length === "bigint" ? BigInt(i) : i));
  } catch {
    return "object";
  }
}

const traps = (target, name) => {
  try {
    target.exports[name]();
    return false;
  } catch {
    return true;
  }
};
// Segments whose probes trap, by index.
export const trapping = (target, names) =>
  Object.keys(names).filter((index) => traps(target, names[index])).map(Number);

const BLOCK = 1 << 16;
const ZEROS = Buffer.alloc(BLOCK);
// Blocks of zeros become holes of the file: most of a memory was never touched.
export function writeMemory(file, memory) {
  const { buffer } = memory;
  const size = buffer.byteLength;
  const descriptor = fs.openSync(file, "w");
  fs.ftruncateSync(descriptor, size);
  for (let at = 0; at < size; at += BLOCK) {
    const block = Buffer.from(buffer, at, Math.min(BLOCK, size - at));
    if (block.equals(ZEROS.subarray(0, block.length))) continue;
    for (let done = 0; done < block.length; ) done += fs.writeSync(descriptor, block, done, block.length - done, at + done);
  }
  fs.closeSync(descriptor);
}
