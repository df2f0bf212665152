// What files the program has open, and which it wrote: told from its calls of imports.

export const FILES = /^_*(syscall_|fd_|path_)/; // imports that deal with files
const opened = new Map(); // descriptor -> what is open there
export const wrote = new Set(); // paths of files that the program wrote
let descriptions = 0; // files that were opened
const STREAMS = 3; // standard input, output, error

function textAt({ buffer }, address) {
  const memory = new Uint8Array(buffer);
  const start = Number(address) >>> 0;
  const end = memory.indexOf(0, start);
  return Buffer.from(memory.slice(start, Math.min(end, start + 4096)));
}

const WRITES = 0o1100; // O_CREAT and O_TRUNC, as musl, and so Emscripten, numbers them
function opens(memory, number, address, flags) {
  if (!memory) return opened.set(number, { made: "the start function" }); // its memory is not known yet
  const bytes = textAt(memory, address);
  const path = bytes.toString();
  const raw = Buffer.from(path).equals(bytes) ? undefined : bytes.toString("hex"); // no UTF-8
  opened.set(number, { path, raw, flags, description: ++descriptions });
  if (flags & WRITES) wrote.add(path); // it was made, or emptied
}

// Several descriptors of one open file share its position. `places`: it got the number that was asked for.
function duplicates(number, copy, js, places) {
  const file = opened.get(number) ?? (number < STREAMS ? { stream: number } : undefined);
  if (copy === number) return;
  const known = file && (file.path !== undefined || file.stream !== undefined);
  if (known && file.stream === copy) opened.delete(copy); // the stream that it was at the start
  else opened.set(copy, known ? { ...file, made: js, places } : { made: js });
}
// Of those that share a file, one is opened by its path: the lowest, as they get their numbers in that order, of those
// that were not put where they are. The others are copies of it.
export function openNow() {
  const places = ([, file]) => (file.places ? 1 : 0);
  const ranked = [...opened].sort((a, b) => places(a) - places(b) || a[0] - b[0]);
  const first = (file) => ranked.find(([, other]) => other.description === file.description)[0];
  return [...opened].map(([number, file]) => {
    const copy = file.path === undefined ? file.stream : first(file);
    return [number, copy === number ? file : { ...file, copy }];
  });
}

const COPIES = [0, 1030]; // F_DUPFD and F_DUPFD_CLOEXEC
// A call of an import, which JavaScript calls `js`, has ended. `memory`: none while the start function runs.
export function watchFiles(memory, js, args, result) {
  if (/fd_p?write$/.test(js) && opened.get(args[0])?.path) wrote.add(opened.get(args[0]).path);
  if (/fd_close$/.test(js)) opened.delete(args[0]);
  if (typeof result !== "number" || result < 0) return; // comparing an object may call anything
  if (/syscall_openat$/.test(js)) opens(memory, result, args[1], args[2]);
  else if (/syscall_open$/.test(js)) opens(memory, result, args[0], args[1]);
  else if (/syscall_dup[23]?$/.test(js)) duplicates(args[0], result, js, /[23]$/.test(js));
  else if (/syscall_fcntl(64)?$/.test(js) && COPIES.includes(args[1])) duplicates(args[0], result, js, false);
  else if (/syscall_(pipe|socket|eventfd2?)$/.test(js)) opened.set(result, { made: js });
}

// Where open files stand. The memory is written already, so that a piece of it can be scratch.
// `wideOnes`: imports that take integers of 64 bits. `is64`: addresses are such.
export function positions(memory, imports, wideOnes, is64) {
  const seek = imports.find((entry) => /fd_seek$/.test(entry.js || entry.name) && typeof entry.call === "function");
  if (!seek || !opened.size) return;
  const at = 2048;
  const wide = wideOnes.some(([from, name]) => from === seek.module && name === seek.name);
  for (const [number, file] of opened) {
    if (file.path === undefined) continue;
    const code = wide ? seek.call(number, 0n, 1, is64 ? BigInt(at) : at) : seek.call(number, 0, 0, 1, at);
    if (code === 0) file.position = Number(new DataView(memory.buffer).getBigInt64(at, true));
  }
}
