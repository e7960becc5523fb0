"""One part of a report a file: an activation in, plain JSON data out. Nothing here draws or words anything."""
