"""How fast a residual and its gradient are, beside nested autograd, torch.func and DeepXDE; see README.md."""
