// Each instance of any thread or process leaves a file in the folder of the job.
import * as fs from "node:fs";
import path from "node:path";
import { threadId } from "node:worker_threads";

export { beside } from "./beside.mjs";

const folder = path.dirname(process.env.PREINIT_JOB);
const INSTANCE = "instance-";
export const MOST_MAKERS = 6;

export function tellInstance(where, now) {
  const name = `${INSTANCE}${process.pid}-${threadId}-${now}`;
  fs.writeFileSync(path.join(folder, name), where);
}
export function everywhere() {
  const files = fs.readdirSync(folder).filter((name) => name.startsWith(INSTANCE)).sort();
  const makers = files.slice(0, MOST_MAKERS).map((name) => fs.readFileSync(path.join(folder, name), "utf8"));
  return { instances: files.length, makers };
}

// One thread writes the state: several would write over each other.
export function claims() {
  try {
    fs.closeSync(fs.openSync(path.join(folder, "claimed"), "wx"));
    return true;
  } catch {
    return false;
  }
}
