// Makes a component of JavaScript with npm @bytecodealliance/componentize-js, or calls one:
//   node componentize.mjs TREE make SOURCE WORLD OUTPUT [WIZER]    its seconds, as JSON
//   node componentize.mjs TREE call COMPONENT FOLDER [NAME ARGUMENT...]...    what the calls, JSON lists, return
// TREE: the folder with node_modules.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [tree, what, ...rest] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(resolve(path)).href);
const ours = (path) => load(join(tree, "node_modules", "@bytecodealliance", path));

if (what === "make") {
  const [sourcePath, witPath, output, wizerBin] = rest;
  const { componentize } = await ours("componentize-js/src/componentize.js");
  const began = performance.now();
  const disableFeatures = ["random", "stdio", "clocks", "http", "fetch-event"];
  const { component } = await componentize({ sourcePath, witPath, disableFeatures, ...(wizerBin && { wizerBin }) });
  await writeFile(output, component);
  console.log(JSON.stringify((performance.now() - began) / 1000));
} else {
  const [component, folder, ...calls] = rest;
  const { transpile } = await ours("jco/dist/api.js");
  const { files } = await transpile(await readFile(component), { name: "app" });
  for (const [name, data] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), data);
  }
  const app = await load(join(folder, "app.js"));
  console.log(JSON.stringify(calls.map(JSON.parse).map(([name, ...given]) => app[name](...given))));
}
