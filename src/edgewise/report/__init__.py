"""Results as pictures, one HTML page and one JSON file."""
