// Has a program that imports npm @bytecodealliance/wizer, the path of a program, find $WIZER instead:
//   WIZER=$(which preinit-wizer) node --import ./wizer_hook.mjs \
//     node_modules/@fastly/js-compute/dist/cli/js-compute-runtime-cli.js app.js app.wasm

import { register } from "node:module";

const found = "data:text/javascript,export default " + encodeURIComponent(JSON.stringify(process.env.WIZER));
register(
  "data:text/javascript," +
    encodeURIComponent(`export const resolve = (name, context, next) =>
      name === "@bytecodealliance/wizer" ? { url: ${JSON.stringify(found)}, shortCircuit: true } : next(name, context);`),
);
