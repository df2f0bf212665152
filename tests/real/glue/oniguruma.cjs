// Oniguruma (vscode-oniguruma). Arguments: the package's folder, a file for what JavaScript must know of the prepared
// program.
const fs = require("node:fs");
const path = require("node:path");
const folder = path.resolve(process.argv[2], "release");
const onig = require(path.join(folder, "main.js"));

const pattern = (i) => `\\b(?:word${i}|(?<n>[a-z]{${1 + (i % 9)}}\\d+${i})|"(?:[^"\\\\]|\\\\.)*"${i})\\b`;
const patterns = Array.from({ length: 400 }, (_, i) => pattern(i));

exports.load = async () => {
  const bytes = fs.readFileSync(path.join(folder, "onig.wasm"));
  // Given bytes, it would look whether they are a Response: Node then loads its `fetch`, which takes longer than all else.
  await onig.loadWASM({ instantiator: (imports) => WebAssembly.instantiate(bytes, imports) });
  return {};
};
exports.prepare = (program) => {
  program.scanner = new onig.OnigScanner(patterns);
  const numbers = Object.entries(program.scanner).filter(([, value]) => typeof value === "number");
  fs.writeFileSync(process.argv[3], JSON.stringify(Object.fromEntries(numbers)));
};
exports.resume = (program) => {
  program.scanner = Object.assign(new onig.OnigScanner([]), JSON.parse(fs.readFileSync(process.argv[3])));
};
const find = (scanner, text, start) => {
  const found = scanner.findNextMatchSync(new onig.OnigString(text), start);
  return found && [found.index, found.captureIndices.map(({ start, end }) => [start, end])];
};
exports.first = ({ scanner }) => find(scanner, '  word399 and abc123 "quoted"', 0);
exports.answer = ({ scanner }) =>
  Array.from({ length: 20 }, (_, i) => find(scanner, `  word${i * 20} and abc1${i * 19} "quoted"`, i % 4));
