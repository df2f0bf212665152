"""WASI preview 1, all of it preinit's own: what a guest can see is then the same on every machine.

https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
"""
