"""One function a figure: plain data of a report in, a matplotlib figure out."""
