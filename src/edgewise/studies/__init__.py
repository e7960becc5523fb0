"""Studies: settings, run, and what was measured, one file a question; a paper's claims as a folder of parts."""

from edgewise.studies.claim import Check, Claim
from edgewise.studies.registry import find_study, studies
from edgewise.studies.reproduction import reproduce
from edgewise.studies.result import StudyResult
from edgewise.studies.study import Context, Part, Study
from edgewise.studies.trainability import Run, Trainability, trainability

__all__ = [
    "Check",
    "Claim",
    "Context",
    "Part",
    "Run",
    "Study",
    "StudyResult",
    "Trainability",
    "find_study",
    "reproduce",
    "studies",
    "trainability",
]
