"""The WebAssembly binary format: reading, and the pieces for writing. Knows no engine and no policy.

Names and section numbers are those of the specification, https://webassembly.github.io/spec/core/binary/ .
"""
