"""Results as pictures, one HTML page and one JSON file.

Data first (`model`, computed by `parts`), then pictures (`figures`, `pictures`) and words (`captions`, `words`),
then the page.
"""

from edgewise.report.build import Report, report

__all__ = ["Report", "report"]
