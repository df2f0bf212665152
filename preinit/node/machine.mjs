// What the program's own JavaScript (EM_JS, EM_ASM) asks of the machine, past the imports that are known by their names:
// variables, arguments, standard input, the time zone, the language.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { types } from "node:util";
import { isNodeAsking } from "./callers.mjs";

const ZONED = ["getTimezoneOffset", "getHours", "toTimeString", "toLocaleString", "toLocaleDateString", "toLocaleTimeString"];

let asks = () => {}; // is given what somebody asks for

// `inside`: whether the program runs, and `reads`, past the glue's own files; `tell` is given what it asks for, with a
// variable's name, all arguments, or the number of bytes.
export function watchMachine(inside, reads, tell) {
  asks = (...what) => inside() && !isNodeAsking() && tell(...what);
  watchVariables();
  watchInput(reads);
  let argv = process.argv;
  Object.defineProperty(process, "argv", {
    get: () => (asks("arguments", argv), argv),
    set: (value) => (argv = value),
    enumerable: true,
    configurable: true,
  });
  for (const name of ZONED) watchCall(Date.prototype, name, () => asks("zone"));
  watchCall(Intl.DateTimeFormat.prototype, "resolvedOptions", () => asks("zone"));
  for (const one of [Intl.NumberFormat, Intl.Collator]) {
    watchCall(one.prototype, "resolvedOptions", () => asks("language"));
  }
  if (typeof navigator !== "object") return;
  const holder = Object.getPrototypeOf(navigator);
  for (const name of ["language", "languages"]) {
    const { get, ...rest } = Object.getOwnPropertyDescriptor(holder, name) ?? {};
    if (!get) continue;
    const told = { get: () => (asks("language"), Reflect.apply(get, navigator, [])) };
    Object.defineProperty(holder, name, { ...rest, ...told });
  }
}

// `Module.arguments`, once the program is loaded, where it is what load() gave.
export function watchArguments(program) {
  if (types.isProxy(program)) return;
  const { value, configurable } = Object.getOwnPropertyDescriptor(Object(program), "arguments") ?? {};
  if (!Array.isArray(value) || !configurable) return;
  let given = value;
  Object.defineProperty(program, "arguments", {
    get: () => (asks("arguments", ["", ""].concat(given)), given),
    set: (other) => (given = other),
    enumerable: true,
    configurable: true,
  });
}

function watchVariables() {
  const known = (key) => (typeof key === "string" ? key : undefined);
  process.env = new Proxy(process.env, {
    get(env, key) {
      const value = env[key];
      if (known(key)) asks("variable", value === undefined ? undefined : key);
      return value;
    },
    has(env, key) {
      if (known(key)) asks("variable", key in env ? key : undefined);
      return key in env;
    },
    ownKeys(env) {
      asks("variable");
      return Reflect.ownKeys(env);
    },
    set(env, key, value) {
      env[key] = value; // not through the proxy: it takes no other descriptor than its own
      return true;
    },
  });
}

const INPUT = [0, "/dev/stdin"];
function watchInput(reads) {
  for (const name of ["readSync", "readvSync", "readFileSync"]) {
    const real = fs[name];
    fs[name] = function (...args) {
      const found = Reflect.apply(real, this, args);
      if (INPUT.includes(args[0]) && reads()) asks("input", typeof found === "number" ? found : found.length);
      return found;
    };
  }
  syncBuiltinESMExports();
}

function watchCall(holder, name, ask) {
  const real = holder[name];
  const { [name]: watched } = {
    [name](...args) {
      ask();
      return Reflect.apply(real, this, args);
    },
  };
  Object.defineProperty(holder, name, { value: watched, writable: true, configurable: true });
}
