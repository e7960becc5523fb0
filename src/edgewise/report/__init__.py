"""Results as pictures, one HTML page and one JSON file.

Data first (`model`, computed by `parts`), then pictures (`figures`, `pictures`) and words (`captions`, `words`),
then the page.
"""

from edgewise.report.build import Report, render, report, theory_page

__all__ = ["Report", "render", "report", "theory_page"]
