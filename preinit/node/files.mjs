// What files the program has open, which it wrote, its current folder, and lines that it has begun: told from its calls
// of imports. What is so at the pause, descriptors.mjs says.
import path from "node:path";

export const FILES = /^_*(syscall_|fd_|path_)/; // imports that deal with files
export const STREAMS = 3; // standard input, output, error
export const opened = new Map(); // descriptor -> what is open there
export const shut = new Set(); // standard streams that are closed, and in whose place is nothing
export const wrote = new Set(); // paths of files that the program wrote
export const begun = new Map(); // 1 or 2 -> what was written there behind the last end of a line
export const folder = { path: null }; // the current folder, as bytes, from the one of the start on; null: it is that one
let descriptions = 0; // files that were opened

function textAt({ buffer }, address) {
  const memory = new Uint8Array(buffer);
  const start = Number(address) >>> 0;
  const end = memory.indexOf(0, start);
  return Buffer.from(memory.slice(start, Math.min(end, start + 4096)));
}

// A path that is relative to a folder, of which null is the one of the start.
const SLASH = 47;
function within(base, bytes) {
  if (bytes[0] === SLASH || !base) return bytes;
  return bytes.length ? Buffer.concat([base, Buffer.from(base.at(-1) === SLASH ? "" : "/"), bytes]) : base;
}
const AT_FDCWD = -100;
// The path that a call names; undefined where it is relative to a descriptor of which no path is known.
function named(memory, number, address) {
  const bytes = textAt(memory, address);
  if (number === AT_FDCWD || bytes[0] === SLASH) return within(folder.path, bytes);
  const base = opened.get(number)?.bytes;
  return base && within(base, bytes);
}

const WRITES = 0o1100; // O_CREAT and O_TRUNC, as musl, and so Emscripten, numbers them
const APPENDS = 0o2000;
function opens(memory, number, at, address, flags, js) {
  shut.delete(number);
  if (!memory) return opened.set(number, { made: "the start function" }); // its memory is not known yet
  const bytes = named(memory, at, address);
  if (!bytes) return opened.set(number, { made: js });
  // `moved`: bytes that were read or written, or null where that does not tell the position.
  opened.set(number, { bytes, flags, description: ++descriptions, shared: { moved: 0, listed: false } });
  if (flags & WRITES) wrote.add(bytes.toString()); // it was made, or emptied
}

function closes(number) {
  opened.delete(number);
  if (number < STREAMS) shut.add(number);
}

// Several descriptors of one open file share its position. `places`: it got the number that was asked for.
function duplicates(number, copy, js, places) {
  if (copy === number) return;
  const file = opened.get(number) ?? (number < STREAMS ? { stream: number } : undefined);
  shut.delete(copy);
  const known = file && (file.bytes !== undefined || file.stream !== undefined);
  if (file?.shared?.moved !== undefined) file.shared.copied = true;
  if (known && file.stream === copy) opened.delete(copy); // the stream that it was at the start
  else opened.set(copy, known ? { ...file, made: js, places } : { made: js });
}

const moving = (shared, by) => {
  if (shared && shared.moved !== null) shared.moved += by;
};
// What was written to a terminal shows when its line ends. `parts`: where the pieces are, and how many.
const LONGEST_LINE = 4096;
function writes(memory, number, parts, written) {
  const file = opened.get(number);
  if (file?.bytes) {
    wrote.add(file.bytes.toString());
    if (file.flags & APPENDS) file.shared.moved = null;
    return moving(file.shared, written);
  }
  const stream = file ? file.stream : number;
  if (stream !== 1 && stream !== 2) return;
  const pieces = parts.map(([start, size]) => Buffer.from(memory.buffer, start, size));
  const bytes = Buffer.concat([begun.get(stream) ?? Buffer.alloc(0), ...pieces].map((piece) => Buffer.from(piece)));
  begun.set(stream, bytes.subarray(bytes.lastIndexOf(10) + 1).subarray(0, LONGEST_LINE + 1));
}
// Numbers behind an address: `wide` ones have 64 bits.
function numbersAt(memory, address, count, wide) {
  const view = new DataView(memory.buffer);
  const at = (i) => Number(address) + i * (wide ? 8 : 4);
  return Array.from({ length: count }, (_, i) => (wide ? Number(view.getBigUint64(at(i), true)) : view.getUint32(at(i), true)));
}
function transfers(memory, js, [number, parts, count, ...rest]) {
  const wide = typeof parts === "bigint";
  const [done] = numbersAt(memory, rest.at(-1), 1, wide);
  if (/fd_read$/.test(js)) return moving(opened.get(number)?.shared, done);
  if (/fd_pwrite$/.test(js)) return opened.get(number)?.bytes && wrote.add(opened.get(number).bytes.toString());
  if (!/fd_write$/.test(js)) return;
  const pairs = numbersAt(memory, parts, 2 * Math.min(Number(count), 1024), wide);
  writes(memory, number, Array.from({ length: pairs.length / 2 }, (_, i) => pairs.slice(2 * i, 2 * i + 2)), done);
}

const same = (one, other) => path.posix.normalize(`${one}`) === path.posix.normalize(`${other}`);
// A file is no more, or somewhere else: what is open stays so.
function moves(from, to) {
  for (const file of opened.values()) {
    if (!file.bytes || !from) continue;
    if (to && same(file.bytes, to)) file.gone = true;
    else if (same(file.bytes, from) && to) file.bytes = to;
    else if (same(file.bytes, from)) file.gone = true;
  }
}

const COPIES = [0, 1030]; // F_DUPFD and F_DUPFD_CLOEXEC
const SET_FLAGS = 4; // F_SETFL
// A call of an import, which JavaScript calls `js`, has ended. `memory`: none while the start function runs.
export function watchFiles(memory, js, args, result) {
  if (!FILES.test(js)) return;
  if (/fd_close$/.test(js)) closes(args[0]);
  if (typeof result !== "number" || result < 0) return; // comparing an object may call anything
  const [first, second, third, fourth] = args;
  if (/syscall_openat$/.test(js)) opens(memory, result, first, second, third, js);
  else if (/syscall_open$/.test(js)) opens(memory, result, AT_FDCWD, first, second, js);
  else if (/syscall_dup[23]?$/.test(js)) duplicates(first, result, js, /[23]$/.test(js));
  else if (/syscall_fcntl(64)?$/.test(js) && COPIES.includes(second)) duplicates(first, result, js, false);
  else if (/syscall_(socket|accept4|eventfd2?|epoll_create1?|timerfd_create|memfd_create)$/.test(js))
    opened.set(result, { made: js });
  else if (!memory || result !== 0) watchLength(js, args, result);
  else if (/fd_(read|write|pwrite)$/.test(js)) transfers(memory, js, args);
  else if (/fd_sync$/.test(js)) begun.delete(opened.has(first) ? opened.get(first).stream : first); // which ends its line
  else if (/syscall_pipe2?$/.test(js)) numbersAt(memory, first, 2, false).forEach((end) => opened.set(end, { made: js }));
  else if (/path_open$/.test(js)) opened.set(numbersAt(memory, args[8], 1, false)[0], { made: js });
  else if (/syscall_chdir$/.test(js)) folder.path = within(folder.path, textAt(memory, first));
  else if (/syscall_fchdir$/.test(js)) folder.path = opened.get(first)?.bytes ?? folder.path;
  else if (/syscall_unlink$|syscall_rmdir$/.test(js)) moves(named(memory, AT_FDCWD, first));
  else if (/syscall_unlinkat$/.test(js)) moves(named(memory, first, second));
  else if (/syscall_rename$/.test(js)) moves(named(memory, AT_FDCWD, first), named(memory, AT_FDCWD, second));
  else if (/syscall_renameat2?$/.test(js)) moves(named(memory, first, second), named(memory, third, fourth));
  else if (/syscall_fcntl(64)?$/.test(js) && second === SET_FLAGS && opened.get(first)?.bytes)
    opened.get(first).flags |= numbersAt(memory, third, 1, false)[0] & APPENDS;
}

// How far a folder was listed.
function watchLength(js, [number], result) {
  const shared = /syscall_getdents64$/.test(js) && opened.get(number)?.shared;
  if (!shared) return;
  shared.listed = true;
  moving(shared, result);
}
