"""Objects and batches that a command line names: "package.module:function", shapes, files."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHAPE = re.compile(r"(\d+(?:x\d+)*)(?::(\d+))?")
_MOST_NUMBERS = 1 << 28
_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def named_object(name: str) -> Any:
    """What "package.module:attribute" names, imported from the current folder or the installed packages.

    Raises ModelError when there is no such module or attribute, or when importing it fails.
    """
    if not _NAMED.fullmatch(name):
        raise ModelError(f"{name!r} given, expected package.module:name; try edgewise.models:MLP")
    module, _, attribute = name.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        hint = f"; run this where {error.name}.py is" if missing and isinstance(error, ModuleNotFoundError) else ""
        raise ModelError(f"importing {module} stopped with {_told(error)}{hint}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            import difflib

            close = difflib.get_close_matches(part, dir(found), 1)
            raise ModelError(f"{module} has no {attribute!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        found = getattr(found, part)
    return found


def called(name: str) -> tuple[nn.Module, object | None]:
    """The model, and the batch where it comes with one, that a factory returns; the object itself where it is a model.

    Raises ModelError as `named_object` does, and when the factory fails or returns something else.
    """
    from torch import nn

    made = named_object(name)
    if not isinstance(made, nn.Module):
        if not callable(made):
            raise ModelError(f"{name} is a {type(made).__name__}, expected a function that returns a model")
        try:
            made = made()
        except Exception as error:
            raise ModelError(f"{name}() stopped with {_told(error)}; a factory takes no arguments") from error
    batch = None
    if isinstance(made, tuple) and len(made) == 2:
        made, batch = made
    if not isinstance(made, nn.Module):
        raise ModelError(f"{name}() returned {type(made).__name__}, expected a torch.nn.Module or (model, batch)")
    return made, batch


def batch_from(text: str, model: nn.Module, seed: int) -> object:
    """A batch from a shape, a file or a function, on the model's device; floating-point numbers in its dtype.

    Raises ModelError, or OSError for a file that cannot be read.
    """
    import torch

    if match := _SHAPE.fullmatch(text):
        shape = tuple(int(n) for n in match[1].split("x"))
        count = 1
        for n in shape:
            count *= n
        if not 0 < count <= _MOST_NUMBERS:
            raise ModelError(f"a batch of shape {match[1]} has {count} numbers, expected 1 to {_MOST_NUMBERS}")
        generator = torch.Generator().manual_seed(seed)
        if match[2] is not None:
            below = int(match[2])
            if not 0 < below < 1 << 62:
                raise ModelError(f"integers below {below} asked for, expected at least 1; try {match[1]}:256")
            return placed(torch.randint(below, shape, generator=generator), model)
        return placed(torch.randn(shape, generator=generator), model)
    path = Path(text)
    if path.suffix.lower() in _READERS:
        if not path.is_file():
            raise ModelError(f"no file {text}")
        try:
            read = _READERS[path.suffix.lower()](path)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{text} could not be read: {_told(error)}") from error
        return placed(read, model)
    if _NAMED.fullmatch(text):
        function = named_object(text)
        try:
            return placed(function() if callable(function) else function, model)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"{text}() stopped with {_told(error)}") from error
    raise ModelError(
        f"--batch {text!r} given, expected a shape (64x784, 8x128:256 for integers below 256), "
        f"a file ({', '.join(_READERS)}) or package.module:function"
    )


def placed(batch: Any, model: nn.Module) -> Any:
    """The batch on the model's device; floating-point tensors in its dtype."""
    import torch
    from torch import Tensor

    parameter = next(model.parameters(), None)
    if parameter is None:
        return batch
    device = parameter.device if not parameter.is_meta else torch.device("cpu")
    dtype = parameter.dtype if parameter.is_floating_point() else None

    def place(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(device, dtype) if dtype and value.is_floating_point() else value.to(device)
        if isinstance(value, dict):
            return {key: place(item) for key, item in value.items()}
        if type(value) in (tuple, list):
            return tuple(place(item) for item in value)
        return value

    return place(batch)


def _npy(path: Path) -> Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.load(path, allow_pickle=False))


def _npz(path: Path) -> object:
    import numpy as np
    import torch

    with np.load(path, allow_pickle=False) as arrays:
        return _alone({name: torch.from_numpy(arrays[name]) for name in arrays.files})


def _safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ModelError("reading .safetensors needs the package safetensors; try pip install safetensors") from error
    return _alone(load_file(path))


def _torch(path: Path) -> object:
    import torch

    return torch.load(path, weights_only=True, map_location="cpu")


def _alone(named: dict[str, Any]) -> object:
    """The only tensor of a file, or all of them as keyword arguments."""
    return next(iter(named.values())) if len(named) == 1 else named


_READERS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".pt": _torch, ".pth": _torch}


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
