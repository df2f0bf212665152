"""Components on the engine of core modules: canonical functions in Python, core instances in one store.

https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
"""
