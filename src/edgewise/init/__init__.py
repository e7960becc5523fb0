"""Theory applied to a model: reading its data flow, initialising it, giving its layers their learning rates."""
