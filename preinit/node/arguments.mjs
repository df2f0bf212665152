// What the arguments of a call were: see arguments.py.

const POINTED = { stack: 4096, elsewhere: 512, text: 1 << 16 }; // bytes that are kept of what an argument points to
const WINDOW = 4096; // bytes above the stack pointer in which an argument is taken for an address of the stack

// A number as the call got it; text of one that JSON lacks; null for anything else.
export function plain(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "string" && value.trim() !== "" && !isNaN(value)) return Number(value);
  if (typeof value !== "number") return null;
  return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : String(value);
}

// What arguments of a call that may be made again point to: on the stack it is gone then, elsewhere it may have changed.
// `reader`: the export that gives the stack pointer, if it has one.
export function pointed(target, reader, args) {
  const memory = target.memories[0]?.buffer;
  if (!memory) return undefined;
  const pointer = reader ? Number(target.exports[reader]()) >>> 0 : Infinity;
  const found = [];
  for (const value of args) {
    const address = Number(value);
    if (!["number", "bigint"].includes(typeof value) || !Number.isInteger(address) || address <= 0) continue;
    const least = address >= pointer && address < pointer + WINDOW ? POINTED.stack : POINTED.elsewhere;
    const left = Math.max(0, memory.byteLength - address);
    const end = new Uint8Array(memory, left && address, Math.min(left, POINTED.text)).indexOf(0); // of a text
    const size = Math.min(Math.max(least, (end + 8) & ~7), left) & ~7;
    if (size > 0) found.push([address, Buffer.from(memory, address, size).toString("hex")]);
  }
  return found.length ? found : undefined;
}

// What an object has, without calling a getter; nothing of one that does not let itself be looked at.
export function propertiesOf(program) {
  try {
    return Object.entries(Object.getOwnPropertyDescriptors(Object(program)));
  } catch {
    return [];
  }
}

// The bytes that a buffer or a view of one holds; null for anything else.
export function viewed(bytes) {
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes instanceof ArrayBuffer || bytes instanceof SharedArrayBuffer;
  return whole ? new Uint8Array(bytes) : null;
}
