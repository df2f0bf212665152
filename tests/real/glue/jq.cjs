// jq (jq-web). Arguments: the package's folder.
const path = require("node:path");
const loading = require(path.resolve(process.argv[2], "jq.js"));

exports.load = () => loading;
exports.prepare = (jq) => jq.json({ a: [1, 2, 3] }, ".a | add");
exports.first = (jq) => jq.json({ a: [1, 2, 3] }, ".a | add");
exports.answer = (jq) => [
  ...Array.from({ length: 18 }, (_, i) => jq.json({ a: [i, 2, 3] }, ".a | add")),
  jq.raw('{"b": "x"}', '.b | test("x")'),
  jq.json([3, 1, 2], "sort | map(. * 2)"),
];
