// Has a program that imports npm @bytecodealliance/wizer, the path of a program, find $WIZER instead:
//   WIZER=preinit-wizer node --import ./wizer_hook.mjs PROGRAM

import { register } from "node:module";

const found = "data:text/javascript,export default " + encodeURIComponent(JSON.stringify(process.env.WIZER));
register(
  "data:text/javascript," +
    encodeURIComponent(`export const resolve = (name, context, next) =>
      name === "@bytecodealliance/wizer" ? { url: ${JSON.stringify(found)}, shortCircuit: true } : next(name, context);`),
);
