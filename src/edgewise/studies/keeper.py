"""Where the claims of a finished part are kept, and how they are known to be those of this very computation."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgewise.files import write_json
from edgewise.measure.jsonable import jsonable
from edgewise.studies.claim import Claim
from edgewise.studies.study import Part, Scale, Study


class Keeper:
    """The file of one part's claims, with the fingerprint of what made them, and its folder for checkpoints."""

    def __init__(
        self, folder: Path, study: Study, part: Part, scale: Scale, seed: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._file = folder / "parts" / study.name / f"{part.key}-{scale}.json"
        self.working = folder / "parts" / study.name / f"{part.key}-{scale}"
        self._print = {
            "study": study.name,
            "part": part.key,
            "scale": scale,
            "seed": seed,
            "device": str(device),
            "dtype": str(dtype),
            "torch": str(torch.__version__),
            "settings": plain_settings(part.settings[scale]),
            "source": hashlib.sha256(_source(part.run).encode()).hexdigest(),
        }

    def load(self) -> tuple[Claim, ...] | None:
        """The claims of a finished part; None where there are none, or those of other settings or other code."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["fingerprint"] != self._print:
                return None
            return tuple(Claim.from_dict(claim) for claim in kept["claims"])
        except (OSError, ValueError, KeyError, TypeError):  # absent, or damaged: it is computed again
            return None

    def store(self, claims: tuple[Claim, ...]) -> None:
        write_json(self._file, {"fingerprint": self._print, "claims": [claim.to_dict() for claim in claims]})


def plain_settings(settings: Any) -> dict[str, Any]:
    """A settings dataclass as plain JSON values."""
    plain: dict[str, Any] = jsonable(asdict(settings))
    return plain


def _source(run: Callable[..., Any]) -> str:
    """The text of the module that a part's function is written in, and of those of its package that it uses."""
    module = sys.modules[run.__module__]
    package = module.__name__.rpartition(".")[0] + "."
    used = {str(getattr(value, "__module__", "")) for value in vars(module).values()}
    near = sorted({name for name in used if package != "." and name.startswith(package)} | {module.__name__})
    return "".join(inspect.getsource(sys.modules[name]) for name in near)
