"""How a model's calls become a `ModelGraph`.

Two front ends see the calls: `symbolic` (torch.fx, without running the model) and `recorder` (one forward pass on a
batch). Both hand them to `reader`, which decides what each call is and enters it into its `ledger`, with `modules` for
leaf modules, `functions` for the names of functions, and `elementwise`, `expressions` and `recognition` for elementwise
functions, whole regions of which are one activation; `calls` is what they pass each other. `rewriting` goes back: it
replaces calls of functions in a traced model.
"""
