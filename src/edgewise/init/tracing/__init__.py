"""How a model's calls become a `ModelGraph`.

Two front ends see the calls: `symbolic` (torch.fx, without running the model) and `recorder` (one forward pass on a
batch). Both hand them to `reader`, which decides what each call is, with `modules` for leaf modules, `functions` for
functions between them, and `expressions` with `recognition` for elementwise functions, whole regions of which are one
activation.
"""
