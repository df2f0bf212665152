// Which calls of load() change the memory of the program: of exports without arguments, the first two calls.

const MOST_COPIED = 1 << 28; // bytes of memory, before nobody looks any more
const FRAMES = 1024; // bytes that a call without arguments may use of the stack
const MOST_WATCHED = 2; // calls of each export

let copied = 0;
const watched = new Map(); // export -> how many of its calls were

// Before a call: what tells, after it, whether memory is another one, but for what calls leave below the stack pointer.
// `pointer`: the export that gives that. Null where nobody looks.
export function changing(target, name, pointer) {
  const times = (watched.get(name) ?? 0) + 1;
  watched.set(name, times);
  const memory = target?.memories[0];
  if (!memory || times > MOST_WATCHED) return null;
  copied += memory.buffer.byteLength;
  if (copied > MOST_COPIED) return null;
  const before = Buffer.from(new Uint8Array(memory.buffer));
  const top = pointer ? Number(target.exports[pointer]()) >>> 0 : 0;
  const start = Math.min(Math.max(0, top - FRAMES), before.length);
  const end = Math.min(top, before.length);
  return () => {
    const now = Buffer.from(memory.buffer);
    return (
      now.length !== before.length ||
      now.compare(before, 0, start, 0, start) !== 0 ||
      now.compare(before, end, before.length, end, before.length) !== 0
    );
  };
}
