"""Studies: settings, run, and what was measured, one file a question."""

from edgewise.studies.trainability import Run, Trainability, trainability

__all__ = ["Run", "Trainability", "trainability"]
