// MicroPython. Arguments: the package's folder, one that is not used, up to where primes are looked for.
import path from "node:path";
import { pathToFileURL } from "node:url";

const { loadMicroPython } = await import(pathToFileURL(path.resolve(process.argv[2], "micropython.mjs")));

const END = Number(process.argv[4] ?? 100_000);
export const load = () => loadMicroPython({ heapsize: 4 << 20 });
export const prepare = (mp) => {
  mp.runPython(`
import json, re
sieve = bytearray(${END})
primes = []
for i in range(2, ${END}):
    if not sieve[i]:
        primes.append(i)
        for j in range(i + i, ${END}, i): sieve[j] = 1
def answer(n): return json.dumps({'p': primes[n], 'n': len(primes), 'm': re.match('(a+)b', 'aaab').group(1)})
calls = 0
def count():
    global calls
    calls += 1
    return calls
`);
};
export const first = (mp) => mp.globals.get("answer")(1000);
export const answer = (mp) => [
  ...Array.from({ length: 18 }, (_, i) => mp.globals.get("answer")(i * 100)),
  (mp.globals.get("count")(), mp.globals.get("count")()),
  mp.runPython(`str([x for x in primes if x > ${END - 100}])`),
];
