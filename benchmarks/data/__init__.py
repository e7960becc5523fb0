"""How fast batches of augmented images are made."""
