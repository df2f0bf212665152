// Descriptors, current folder and begun lines at the pause: as the glue has them, where it can be asked. JavaScript may
// have changed them.
import { fstatSync, statSync } from "node:fs";
import path from "node:path";
import { types } from "node:util";
import { STREAMS, begun, folder, glue, opened, shut, source, synced } from "./files.mjs";

// The file system of Emscripten's glue, if what load() gave has it: it knows all.
let system = null;
export const fileSystem = () => system;
let before; // the current folder when the program was loaded
// Nothing of the program's runs: a getter might abort.
function own(holder, key) {
  return types.isProxy(holder) ? undefined : Object.getOwnPropertyDescriptor(Object(holder), key)?.value;
}
export function lookForFiles(program) {
  if (types.isProxy(program)) return;
  const held = Object.values(Object.getOwnPropertyDescriptors(Object(program))).map(({ value }) => value);
  const found = [program, ...held].map((holder) => own(holder, "FS")).find((fs) => Array.isArray(own(fs, "streams")));
  if (!found) return;
  system = found;
  glue.device = deviceOf;
  before = current();
}
const [KIND, CHARACTERS] = [0o170000, 0o020000]; // bits of a mode, and those of a device
function deviceOf(number) {
  const { node, tty, path: name, nfd } = system?.streams[number] ?? {};
  if (!node || nfd !== undefined) return undefined; // nfd: a file of the machine
  if (tty) return "";
  if ((node.mode & KIND) !== CHARACTERS) return null;
  return source(number) === "" || name === "/dev/stdin" ? "" : name;
}
function current() {
  try {
    return system?.cwd();
  } catch {
    return undefined;
  }
}

// -- with the glue's own file system -----------------------------------------------------------------------------------

const NO_FOLLOW = 0o400000;
function nodeAt(name, flags) {
  try {
    return system.lookupPath(name, { follow: !(flags & NO_FOLLOW) }).node;
  } catch {
    return undefined;
  }
}
// Where a file is now that is open: by the path that opened it, if that still leads there.
function locate(file, stream) {
  const { node } = stream;
  if (!node?.parent || !system.root) return; // the files are those of the machine
  if (nodeAt(path.posix.resolve("/", `${file.bytes}`), file.flags) === node) return void delete file.gone;
  const now = system.getPath(node);
  if (nodeAt(now, file.flags) === node) {
    file.bytes = Buffer.from(now);
    delete file.gone;
  } else file.gone = true;
}

const APPENDS_ONLY = 0o2001; // O_APPEND and O_WRONLY
const CREATES = 0o1300; // O_CREAT, O_EXCL and O_TRUNC: the glue forgets them
function askSystem() {
  const { streams } = system;
  for (let i = 0; i < STREAMS; i++) if (!streams[i]) shut.add(i);
  for (const number of opened.keys()) if (!streams[number]) opened.delete(number); // JavaScript closed it
  streams.forEach((stream, number) => {
    if (!stream || (number < STREAMS && !opened.has(number))) return;
    const file = opened.get(number);
    if (!file) return opened.set(number, { made: `${stream.path}, opened by JavaScript` });
    if (!file.bytes) return;
    file.flags = (stream.flags & ~CREATES) | (file.flags & CREATES);
    const seeks = stream.seekable !== false && (!stream.stream_ops || stream.stream_ops.llseek);
    file.position = seeks ? stream.position : 0;
    locate(file, stream);
  });
  const terminals = new Map(); // of streams, by name: other devices keep nothing
  for (const stream of streams) if (stream?.tty) terminals.set(stream.node?.name === "tty1" ? 2 : 1, stream.tty);
  for (const number of [1, 2]) {
    const device = opened.has(number) ? undefined : streams[number];
    // One of JavaScript's own may keep lines; a file of the machine does not.
    if (device && !device.tty && device.nfd === undefined) synced.add(number);
    else begun.delete(number);
    if (!begun.has(number)) synced.delete(number);
  }
  for (const [number, { output }] of terminals) if (output?.length) begun.set(number, Buffer.from(output));
}

// -- through imports ---------------------------------------------------------------------------------------------------

const AT = 2048; // the memory is written already, so that a piece of it can be scratch
const LONGEST = 1024; // bytes of a path
const BAD = 8; // EBADF
const NEVER = 4095; // a descriptor that no program has
const MOST = 64; // see reopening.py

function asking(memory, imports, wideOnes, is64) {
  const find = (name) => imports.find((e) => name.test(e.js || e.name) && typeof e.call === "function");
  const address = is64 ? BigInt(AT) : AT;
  const called = (entry, ...args) => {
    try {
      return entry?.call(...args);
    } catch {
      return undefined;
    }
  };
  const [seek, folderIs] = [find(/fd_seek$/), find(/syscall_getcwd$/)];
  const transfers = [find(/fd_write$/), find(/fd_read$/)].filter(Boolean);
  const wide = seek && wideOnes.some(([from, name]) => from === seek.module && name === seek.name);
  const move = (number, by, whence) =>
    wide ? called(seek, number, BigInt(by), whence, address) : called(seek, number, by, 0, whence, AT);
  return {
    seeks: Boolean(seek),
    // Undefined where it has none.
    position(number) {
      return move(number, 0, 1) === 0 ? Number(new DataView(memory.buffer).getBigInt64(AT, true)) : undefined;
    },
    place: (number, position) => move(number, position, 0),
    // Nothing is read or written. Undefined where the glue does not say.
    isOpen(number) {
      let closed = transfers.length > 0;
      for (const entry of transfers) {
        const code = called(entry, number, address, is64 ? 0n : 0, address);
        if (code === 0) return true;
        closed &&= code === BAD;
      }
      return closed ? false : undefined;
    },
    current() {
      if (!folderIs || memory.buffer.byteLength < AT + LONGEST) return undefined;
      const piece = Buffer.from(memory.buffer, AT, LONGEST);
      const kept = Buffer.from(piece);
      const length = called(folderIs, address, is64 ? BigInt(LONGEST) : LONGEST);
      const bytes = Number(length) > 0 ? piece.toString("utf8", 0, piece.indexOf(0)) : undefined;
      kept.copy(piece);
      return bytes;
    },
  };
}

// Whether it is the file system of this program.
function isOurs(ask) {
  if (ask.isOpen(NEVER) !== false) return true; // nothing tells
  const numbers = Array.from({ length: MOST }, (_, number) => number);
  return numbers.every((number) => [undefined, Boolean(system.streams[number])].includes(ask.isOpen(number)));
}

function askImports(ask) {
  if (ask.isOpen(NEVER) === false) {
    for (let number = 0; number < MOST; number++) {
      const isOpen = ask.isOpen(number);
      if (isOpen === false) {
        opened.delete(number);
        if (number < STREAMS) shut.add(number);
      } else if (isOpen && number >= STREAMS && !opened.has(number)) {
        opened.set(number, { made: "opened by JavaScript" });
      }
    }
  }
  for (const [number, file] of opened) {
    if (file.bytes) file.position = ask.seeks ? (ask.position(number) ?? 0) : told(file);
  }
}
// What was read and written tells the position, too, of most files.
function told({ bytes, unsure, shared: { moved } }) {
  if (/^\/(dev|proc)\//.test(bytes)) return 0;
  return unsure ? null : moved;
}

// Some glue opens a file again for a copy of its descriptor: each has a position of its own then.
function isApart(number, first, ask) {
  if (system) return !system.streams[number]?.shared || system.streams[number].shared !== system.streams[first]?.shared;
  if (!ask.seeks) return false;
  const [mine, other] = [opened.get(number).position, opened.get(first).position];
  if (mine !== other) return true;
  ask.place(first, other + 1);
  const result = ask.position(number) === mine;
  ask.place(first, other);
  return result;
}

// Of those that share a file, one is opened by its path: the lowest, as they get their numbers in that order, of those
// that were not put where they are. The others are copies of it.
function described(ask) {
  const places = ([, file]) => (file.places ? 1 : 0);
  const ranked = [...opened].sort((a, b) => places(a) - places(b) || a[0] - b[0]);
  const first = (file) => ranked.find(([, other]) => other.description === file.description)[0];
  return [...opened].map(([number, file]) => {
    const { bytes, flags, position, made, stream } = file;
    if (!bytes || file.gone) {
      const what = file.gone ? `${bytes}, which is not there any more` : made;
      return [number, { made: what, copy: stream, places: file.places, host: isHost(number, bytes ?? "") }];
    }
    const copy = first(file);
    const isCopy = copy !== number;
    // Where it writes, that tells: nobody can ask where it stands.
    const matters = ask.seeks || (flags & (APPENDS_ONLY | 2)) !== APPENDS_ONLY;
    return [
      number,
      {
        ...text(bytes), flags, position: matters ? position : 0, made, places: file.places, listed: file.shared.listed,
        host: isHost(number, bytes),
        ...(isCopy ? { copy, apart: isApart(number, copy, ask) } : {}),
      },
    ];
  });
}
// Whether a descriptor is the machine's (NODERAWFS), whose numbers are other ones in each process.
function isHost(number, bytes) {
  if (number < STREAMS) return false;
  if (system?.streams[number]?.nfd === number) return true;
  try {
    const [open, named] = [fstatSync(number, { bigint: true }), statSync(bytes, { bigint: true })];
    return open.ino === named.ino && open.dev === named.dev;
  } catch {
    return false;
  }
}
// Bytes as a text, and as such where they are no UTF-8.
function text(bytes) {
  const path = bytes.toString();
  return { path, raw: Buffer.from(path).equals(bytes) ? undefined : bytes.toString("hex") };
}

// For who asks while the program runs, whose memory stays as it is.
export function tellFolders(memory, imports, is64) {
  glue.current = () => current() ?? (memory && asking(memory, imports, [], is64).current());
}

// All of that. `wideOnes`: imports that take integers of 64 bits. `is64`: addresses are such.
export function describe(memory, imports, wideOnes, is64) {
  const ask = asking(memory, imports, wideOnes, is64);
  if (system && !isOurs(ask)) system = null;
  if (system) askSystem();
  else askImports(ask);
  const now = current() ?? ask.current();
  const isMoved = folder.path !== null || (now !== undefined && before !== undefined && now !== before);
  return {
    opened: described(ask),
    shut: [...shut].sort(),
    // Where it is, if that is known; and whether something of the program's brought it there.
    folder: now ?? folder.path?.toString() ?? null,
    moved: isMoved,
    begun: Object.fromEntries([...begun].flatMap(([n, line]) => (line.length ? [[n, line.toString("hex")]] : []))),
    synced: [...synced].filter((stream) => stream),
    asked: Boolean(system),
  };
}
