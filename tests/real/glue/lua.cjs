// Lua (wasmoon). Arguments: the package's folder, a file for what JavaScript must know of the prepared program, up
// to where primes are looked for.
const fs = require("node:fs");
const path = require("node:path");
const { LuaFactory } = require(path.resolve(process.argv[2], "dist/index.js"));

const END = Number(process.argv[4] ?? 100_000);
const SCRIPT = `
local primes, sieve = {}, {}
for i = 2, ${END} do if not sieve[i] then primes[#primes + 1] = i for j = i * i, ${END}, i do sieve[j] = true end end end
local calls = 0
function answer(n) calls = calls + 1 return primes[n] .. ' ' .. #primes .. ' ' .. calls .. ' ' .. tostring(math.type(3)) end
`;
const options = { injectObjects: false, enableProxy: false };

exports.load = async () => {
  const factory = new LuaFactory();
  await factory.getLuaModule();
  return { factory };
};
exports.prepare = async (program) => {
  program.lua = await program.factory.createEngine(options);
  await program.lua.doString(SCRIPT);
  fs.writeFileSync(process.argv[3], JSON.stringify({ address: program.lua.global.address }));
};
// A second engine that is made in the same way puts its JavaScript functions into the same slots of the table.
exports.resume = async (program) => {
  program.lua = await program.factory.createEngine(options);
  program.lua.global.address = JSON.parse(fs.readFileSync(process.argv[3])).address;
};
exports.first = ({ lua }) => lua.doStringSync("collectgarbage() return answer(1000)");
exports.answer = ({ lua }) => [
  ...Array.from({ length: 18 }, (_, i) => lua.doStringSync(`collectgarbage() return answer(${i * 100 + 1})`)),
  lua.doStringSync("return select(2, pcall(error, 'caught'))"),
  lua.doStringSync("return string.format('%5.2f', 2 / 3)"),
];
