"""How fast activations are beside torch's built-in ones: see `__main__`."""
