"""Running guests in wasmtime. `ffi` is the only file that touches the engine's raw C API."""
