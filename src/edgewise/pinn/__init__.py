"""Physics-informed networks: equations, their exact derivatives through a network, and training on them."""
