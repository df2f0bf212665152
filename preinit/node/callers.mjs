// Who calls: what the engine's stack tells of JavaScript functions, by their names.

const DEPTH = 16;

// Lines of the stack, without the first ones: the title, and this file's functions.
function lines(skipped) {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = DEPTH;
  const stack = String(new Error().stack ?? "");
  Error.stackTraceLimit = before;
  return stack.split("\n").slice(skipped);
}

// Names of the JavaScript functions that called an export, innermost first.
export function frames() {
  return lines(4).map((line) => {
    const name = /^\s*at (?:async )?(?:new )?(.*?) \(/.exec(line)?.[1] ?? "";
    return name.replace(/ \[as .*\]$/, "").split(".").pop();
  });
}

// The function that makes an instance: its name, file and line.
export function maker() {
  const stack = lines(3);
  const line = stack.find((text) => !/node:internal|[/\\]hook\.mjs|Reflect\.|new Promise/.test(text)) ?? "";
  const [, title, place] = /^\s*at (?:async )?(?:new )?(?:(.*?) \()?(.*?):\d+\)?$/.exec(line) ?? [];
  if (!place) return "";
  return `${title ? `${title.split(".").pop()}, ` : ""}${place.split(/[/\\]/).pop()}`;
}
