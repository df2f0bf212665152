// Pyodide, which can't be captured. Arguments: the package's folder.
import path from "node:path";
import { pathToFileURL } from "node:url";

const folder = path.resolve(process.argv[2]);
const { loadPyodide } = await import(pathToFileURL(path.join(folder, "pyodide.mjs")));

export const load = () => loadPyodide({ indexURL: `${folder}/` });
export const prepare = (py) => py.runPython("import json, re");
export const answer = (py) => py.runPython("json.dumps({'a': 1})");
