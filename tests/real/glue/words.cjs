// An own program, fixtures/glue/words.cpp. Arguments: the folder of its glue, one that is not used, MiB that it fills, the
// file of its glue.
const path = require("node:path");
delete globalThis.fetch; // the glue of Emscripten 3.1.6 takes it for a browser's
const glue = require(path.resolve(process.argv[2], process.argv[5]));

const asked = (program, key) => program.ccall("answer", "string", ["string"], [key]);
exports.load = () => glue({ print() {} });
exports.prepare = (program) => {
  program.FS.writeFile("/data.txt", "a line of a file");
  program._prepare(Number(process.argv[4]));
};
exports.first = (program) => ["key7", "key1999", "none"].map((key) => asked(program, key)).join(" | ");
exports.answer = (program) => Array.from({ length: 20 }, (_, i) => asked(program, `key${i * 111}`));
