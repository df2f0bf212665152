// Answers of input and output are compared as texts, in which all must be seen that they hold.
import { inspect, types } from "node:util";

const WHOLE = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity, breakLength: Infinity, sorted: true };
// Nothing can be seen of what they hold; a WeakRef has no test of its own.
const HIDING = {
  promise: types.isPromise,
  proxy: types.isProxy,
  WeakMap: types.isWeakMap,
  WeakSet: types.isWeakSet,
  generator: types.isGeneratorObject,
};
const SHOWN = [types.isDate, types.isRegExp, types.isNativeError, types.isBoxedPrimitive, types.isAnyArrayBuffer, ArrayBuffer.isView];

// The text of an answer. Raises a TypeError where it holds what can't be compared.
export function textOf(answer) {
  const unlike = notPlain(answer, "answer(program)");
  if (unlike) throw new TypeError(`${unlike}, which can't be compared: return numbers, texts, and lists or objects of them`);
  return typeof answer === "string" ? answer : inspect(answer, WHOLE);
}

// What stands in a value that is no plain one, as text; undefined if all is plain.
function notPlain(value, place, seen = new Set()) {
  if (typeof value === "function" || typeof value === "symbol") return `${place} is a ${typeof value}`;
  if (value === null || typeof value !== "object" || seen.has(value)) return undefined;
  seen.add(value);
  for (const [name, is] of Object.entries(HIDING)) if (is(value)) return `${place} is a ${name}`;
  if (typeof value.then === "function") return `${place} is a promise`;
  if (SHOWN.some((is) => is(value))) return undefined;
  const held = types.isMap(value) ? [...value].flat() : types.isSet(value) ? [...value] : [];
  const own = Object.entries(Object.getOwnPropertyDescriptors(value)).filter(([, { enumerable }]) => enumerable);
  if (!own.length && !isOpen(value)) return `${place} is a ${value.constructor?.name || "object"} of which nothing is to be seen`;
  for (const [key, { value: one, get }] of own) {
    const found = get ? `${place}.${key} is a getter` : notPlain(one, `${place}.${key}`, seen);
    if (found) return found;
  }
  for (const one of held) {
    const found = notPlain(one, `what ${place} holds`, seen);
    if (found) return found;
  }
}

// Whether an object without properties has nothing else.
function isOpen(value) {
  const prototype = Object.getPrototypeOf(value);
  return Array.isArray(value) || types.isMap(value) || types.isSet(value) || prototype === null || !Object.getPrototypeOf(prototype);
}
