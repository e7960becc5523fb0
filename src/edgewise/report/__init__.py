"""Results as pictures, one HTML page and one JSON file.

Data first (`model`, computed by `parts`), then pictures (`figures`, `pictures`) and words (`captions`, `words`),
then the page.
"""

from edgewise.report.build import Report, render, report, theory_page
from edgewise.report.diagnosis_page import diagnosis_page
from edgewise.report.figures.history import history_picture

__all__ = ["Report", "diagnosis_page", "history_picture", "render", "report", "theory_page"]
