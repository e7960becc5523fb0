"""The mend: calls that are printed, and tried on a copy of the model before they are."""

from __future__ import annotations


def advice(*a, **k):
    return []
