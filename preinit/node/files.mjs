// What files the program has open, which it wrote, its current folder, and lines that it has begun: told from its calls
// of imports. What is so at the pause, descriptors.mjs says.
import path from "node:path";

export const FILES = /^_*(syscall_|fd_|path_)/; // imports that deal with files
export const STREAMS = 3; // standard input, output, error
export const opened = new Map(); // descriptor -> what is open there
export const shut = new Set(); // standard streams that are closed, and in whose place is nothing
export const wrote = new Set(); // paths of files that the program wrote
export const begun = new Map(); // 1 or 2 -> what was written there behind the last end of a line
export const synced = new Set(); // 1 or 2, if some glue shows that at once as it stands: after fsync
export const folder = { path: null }; // the current one, as bytes, from that of the start on; null: it is that one
let descriptions = 0; // files that were opened
const isStream = (number) => number >= 0 && number < STREAMS;

function textAt({ buffer }, address) {
  const memory = new Uint8Array(buffer);
  const start = Number(address) >>> 0;
  const end = memory.indexOf(0, start);
  return Buffer.from(memory.slice(start, Math.min(end, start + 4096)));
}

// The current folder as the glue has it; undefined where it does not tell. hook.mjs sets it.
// `device`: what source() says, or undefined where it does not tell. descriptors.mjs sets that.
export const glue = { current: () => undefined, device: () => undefined };
const FIRST = process.cwd(); // in glue that takes the files of the machine
function currentFolder() {
  const now = glue.current();
  if (now === undefined || (!folder.path && (now === "/" || now === FIRST))) return folder.path;
  return Buffer.from(now);
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
  if (bytes[0] === SLASH) return bytes;
  if (number === AT_FDCWD) return within(currentFolder(), bytes);
  const base = opened.get(number)?.bytes;
  return base && within(base, bytes);
}

// Reading from the terminal reads standard input, by whatever name. Other devices are not files either: JavaScript makes
// what they give.
const TERMINAL = /^\/dev\/(std(in|out|err)|tty\d*|console)$/;
const DEVICE = /^\/dev\/(?!null$|zero$|full$)[^/]+$/;
const LINK = /^\/(?:dev|proc\/[^/]+)\/fd\/(\d+)$/; // to what is open there
function deviceAt(bytes) {
  const name = normal(bytes);
  const link = LINK.exec(name);
  if (link) return source(Number(link[1]));
  if (TERMINAL.test(name)) return "";
  return DEVICE.test(name) ? name : null;
}
// The device that is open as a descriptor: "" is standard input; null, if it is another file.
export function source(number) {
  const file = opened.get(number);
  if (!file) return isStream(number) ? "" : null;
  return file.stream === undefined ? (file.device ?? null) : "";
}

const WRITES = 0o1100; // O_CREAT and O_TRUNC, as musl, and so Emscripten, numbers them
const APPENDS = 0o2000;
function opens(memory, number, at, address, flags, js) {
  shut.delete(number);
  if (!memory) return opened.set(number, { made: "the start function" }); // its memory is not known yet
  const bytes = named(memory, at, address);
  if (!bytes) return opened.set(number, { made: js });
  // `moved`: bytes that were read or written, or null where that does not tell the position.
  opened.set(number, { bytes, flags, device: deviceAt(bytes), description: ++descriptions, shared: { moved: 0, listed: false } });
  if (flags & WRITES) wrote.add(bytes.toString()); // it was made, or emptied
}

// Standard output or error, if that is where a descriptor leads: standard input is the same terminal as output.
const TERMINALS = { "/dev/stdin": 1, "/dev/stdout": 1, "/dev/tty": 1, "/dev/stderr": 2, "/dev/tty1": 2 };
function terminal(number) {
  const file = opened.get(number);
  if (file?.bytes) return TERMINALS[file.bytes];
  const stream = file ? file.stream : isStream(number) && !shut.has(number) ? number : undefined;
  return stream === 0 ? 1 : stream;
}
// Glue shows what it has of a line when a descriptor of the terminal is closed.
const ends = (number) => begun.delete(terminal(number));

function closes(number) {
  ends(number);
  opened.delete(number);
  if (isStream(number)) shut.add(number);
}

// Several descriptors of one open file share its position; some glue opens it again for a copy: then it is `unsure`.
// `places`: it got the number that was asked for.
function duplicates(number, copy, js, places) {
  if (copy === number) return;
  const file = opened.get(number) ?? (isStream(number) ? { stream: number } : undefined);
  if (places) ends(copy);
  shut.delete(copy);
  const known = file && (file.bytes !== undefined || file.stream !== undefined);
  if (known && file.stream === copy) opened.delete(copy); // the stream that it was at the start
  else if (!known) opened.set(copy, { made: js });
  else opened.set(copy, { ...file, made: js, places, unsure: file.unsure || file.shared?.moved !== 0 });
}

function moving(file, by) {
  if (!file?.shared || !by) return;
  const isShared = [...opened.values()].some((other) => other !== file && other.shared === file.shared);
  if (isShared) file.shared.moved = null;
  else if (file.shared.moved !== null) file.shared.moved += by;
}
// What was written to a terminal shows when its line ends. `parts`: where the pieces are, and how many.
const LONGEST_LINE = 4096;
function writes(memory, number, parts, written) {
  const file = opened.get(number);
  if (file?.bytes) {
    wrote.add(file.bytes.toString());
    if (file.flags & APPENDS) file.shared.moved = null;
    return moving(file, written);
  }
  const stream = terminal(number);
  if (stream === undefined) return;
  const pieces = parts.map(([start, size]) => new Uint8Array(memory.buffer).subarray(start, start + size));
  const bytes = Buffer.concat([begun.get(stream) ?? Buffer.alloc(0), ...pieces].map((piece) => Buffer.from(piece)));
  synced.delete(stream);
  begun.set(stream, bytes.subarray(bytes.lastIndexOf(10) + 1).subarray(0, LONGEST_LINE + 1));
}
// Numbers behind an address: `wide` ones have 64 bits. Zeros, where there are none.
function numbersAt(memory, address, count, wide) {
  const view = new DataView(memory.buffer);
  const size = wide ? 8 : 4;
  const at = (i) => Number(address) + i * size;
  if (!(at(0) >= 0 && at(count) <= view.byteLength)) return Array(count).fill(0);
  const one = (place) => (wide ? Number(view.getBigUint64(place, true)) : view.getUint32(place, true));
  return Array.from({ length: count }, (_, i) => one(at(i)));
}
function transfers(memory, js, [number, parts, count, ...rest]) {
  const wide = typeof parts === "bigint";
  const [done] = numbersAt(memory, rest.at(-1), 1, wide);
  if (/fd_read$/.test(js)) return moving(opened.get(number), done);
  if (/fd_pwrite$/.test(js)) return opened.get(number)?.bytes && wrote.add(opened.get(number).bytes.toString());
  if (!/fd_write$/.test(js)) return;
  const pairs = numbersAt(memory, parts, 2 * Math.min(Number(count), 1024), wide);
  writes(memory, number, Array.from({ length: pairs.length / 2 }, (_, i) => pairs.slice(2 * i, 2 * i + 2)), done);
}

// A file, or the folder that it is in, is no more, or somewhere else: what is open stays so.
const normal = (bytes) => path.posix.normalize(bytes.toString("latin1")).replace(/(?<=.)\/$/, "");
function moves(from, to) {
  if (!from) return;
  const [old, now] = [normal(from), to && normal(to)];
  if (old === now) return; // nothing happens
  for (const file of opened.values()) {
    if (!file.bytes) continue;
    const here = normal(file.bytes);
    const isMoved = here === old || here.startsWith(`${old}/`);
    if (here === now || (isMoved && !to)) file.gone = true;
    else if (isMoved) file.bytes = Buffer.from(now + here.slice(old.length), "latin1");
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
  else if (/fd_sync$/.test(js)) synced.add(terminal(first));
  else if (/syscall_pipe2?$/.test(js)) for (const end of numbersAt(memory, first, 2, false)) opened.set(end, { made: js });
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
  const file = /syscall_getdents64$/.test(js) && opened.get(number);
  if (!file?.shared) return;
  file.shared.listed = true;
  moving(file, result);
}
