"""Value and gradient of an activation in one pass over memory: compiled, where torch takes a pass for every operation.

Where to look: `program` records what torch does for a formula; `llvm` (with `single`) and `cuda` compile it; `choice`
decides which tensors take that route and keeps the kernels.
"""
