// A world that is the same in every run: clocks that move a millisecond with each reading, seeded random numbers.
// `counts` says what the program was given while it ran.
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

export const counts = { random: 0, clock: 0, monotonic: 0 };

// `clock`: milliseconds since 1970, null for the system's. `seed`: a number, "deny", null for the system's.
// `inside`: whether the program asks, and not only its glue, for the `clock` and for `random` numbers.
export function arrange({ clock, seed }, inside) {
  if (clock !== null) standClocks(clock, inside.clock);
  else countClocks(inside.clock);
  if (seed !== null) seedRandom(seed, inside.random);
  else countRandom(inside.random);
  for (const name of ["pseudoRandomBytes", "prng", "rng"]) {
    Object.defineProperty(crypto, name, { value: crypto.randomBytes, writable: true, configurable: true });
  }
  syncBuiltinESMExports();
}

// `wall` gives milliseconds since 1970.
function replaceDate(wall) {
  const RealDate = Date;
  const OtherDate = function Date(...args) {
    if (!new.target) return new RealDate(wall()).toString();
    const target = new.target === OtherDate ? RealDate : new.target;
    return Reflect.construct(RealDate, args.length ? args : [wall()], target);
  };
  Object.setPrototypeOf(OtherDate, RealDate);
  OtherDate.prototype = RealDate.prototype;
  RealDate.prototype.constructor = OtherDate;
  Object.assign(OtherDate, { now: wall, UTC: RealDate.UTC, parse: RealDate.parse });
  globalThis.Date = OtherDate;
}

// Has `count` called before one of the functions of an object does what it does.
function counted(holder, name, count) {
  const real = holder[name];
  holder[name] = Object.assign(function (...args) {
    count(...args);
    return Reflect.apply(real, this, args);
  }, real);
}

// What `performance.now()` is added to is the time of day.
function watchOrigin(origin, inside) {
  const get = () => {
    if (inside()) counts.clock++;
    return origin;
  };
  Object.defineProperty(performance, "timeOrigin", { get, configurable: true });
}

// The system's clocks.
function countClocks(inside) {
  const { now } = Date;
  replaceDate(() => {
    if (inside()) counts.clock++;
    return now();
  });
  const monotonic = () => {
    if (inside()) counts.monotonic++;
  };
  const { bigint } = process.hrtime;
  counted(performance, "now", monotonic);
  watchOrigin(performance.timeOrigin, inside);
  counted(process, "hrtime", monotonic);
  process.hrtime.bigint = () => (monotonic(), bigint());
}

// The system's random numbers.
function countRandom(inside) {
  const take = (bytes) => {
    if (inside()) counts.random += Number(bytes) || 0;
  };
  counted(Math, "random", () => take(4));
  const web = Object.getPrototypeOf(globalThis.crypto);
  counted(web, "getRandomValues", (view) => take(view?.byteLength));
  for (const holder of [web, crypto]) counted(holder, "randomUUID", () => take(16));
  counted(crypto, "randomBytes", take);
  counted(crypto, "randomInt", () => take(4));
  for (const name of ["randomFillSync", "randomFill"]) counted(crypto, name, (view) => take(view?.byteLength));
}

function standClocks(clock, inside) {
  let now = clock;
  let elapsed = 0;
  const wall = () => {
    if (inside()) counts.clock++;
    return (now += 1);
  };
  const monotonic = () => {
    if (inside()) counts.monotonic++;
    return (elapsed += 1);
  };
  replaceDate(wall);
  performance.now = monotonic;
  watchOrigin(clock, inside);
  const hrtime = (before) => {
    const at = monotonic();
    const [seconds, nanoseconds] = [Math.floor(at / 1000), (at % 1000) * 1e6];
    if (!before) return [seconds, nanoseconds];
    const [s, n] = [seconds - before[0], nanoseconds - before[1]];
    return n < 0 ? [s - 1, n + 1e9] : [s, n];
  };
  process.hrtime = Object.assign(hrtime, { bigint: () => BigInt(monotonic()) * 1000000n });
  process.uptime = () => monotonic() / 1000;
}

function seedRandom(seed, inside) {
  let state = Number.isInteger(seed) ? (seed ^ 0x9e3779b9) >>> 0 || 1 : 1;
  const next = (bytes) => {
    if (inside()) {
      counts.random += bytes;
      if (seed === "deny") throw new Error("preinit: the program asked for random numbers, and it is given none");
    }
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
  const fill = (view) => {
    const bytes = ArrayBuffer.isView(view)
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      : new Uint8Array(view);
    for (let i = 0; i < bytes.length; i++) bytes[i] = next(1) >>> 8;
    return view;
  };
  const bytes = (size) => fill(Buffer.alloc(size));
  const later = (done, make) => {
    if (!done) return make();
    queueMicrotask(() => done(null, make()));
  };
  Math.random = () => next(4) / 2 ** 32;
  Object.getPrototypeOf(globalThis.crypto).getRandomValues = fill;
  const uuid = () => {
    const b = bytes(16);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    return b.toString("hex").replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
  };
  Object.getPrototypeOf(globalThis.crypto).randomUUID = uuid;
  crypto.randomUUID = uuid;
  crypto.randomBytes = (size, done) => later(done, () => bytes(size));
  crypto.randomFillSync = (view, offset = 0, size = view.byteLength - offset) => {
    fill(new Uint8Array(view.buffer ?? view, (view.byteOffset ?? 0) + offset, size));
    return view;
  };
  crypto.randomFill = (view, ...rest) => {
    const done = rest.pop();
    queueMicrotask(() => done(null, crypto.randomFillSync(view, ...rest)));
  };
  crypto.randomInt = (low, high, done) => {
    if (typeof high !== "number") [low, high, done] = [0, low, high];
    return later(done, () => low + (next(4) % (high - low)));
  };
}
