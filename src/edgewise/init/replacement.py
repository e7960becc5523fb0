"""From what `swap_` was told to put in, one new module for each place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

from torch import nn

from edgewise.activations import Activation, activation
from edgewise.activations.modules import Trainable
from edgewise.errors import EdgewiseError, ModelError

Maker = Callable[[], nn.Module]


def maker(to: object, trainable: Trainable) -> tuple[Maker, str]:
    """A function that makes a new module on each call, and what it makes, in words.

    to: what `ew.activation` takes, or a module (copied for each place), or a class or function without arguments that
    returns a module. Raises ModelError or SpecError for anything else.
    """
    if isinstance(to, nn.Module):
        _no_trainable(trainable, "a module")
        return partial(copy.deepcopy, to), _called(to)
    if isinstance(to, type | partial) and (made := _made(to)) is not None:
        _no_trainable(trainable, "a class or factory")
        return lambda: _made_again(to), _called(made)
    if callable(to) and not isinstance(to, Activation):
        try:
            a = activation(to)
        except EdgewiseError:
            if (made := _made(to)) is None:
                raise
            _no_trainable(trainable, "a class or factory")
            return lambda: _made_again(to), _called(made)
        return partial(a.module, trainable=trainable), a.spec
    a = activation(to)
    return partial(a.module, trainable=trainable), a.spec


def _no_trainable(trainable: Trainable, given: str) -> None:
    if trainable is not None:
        raise ModelError(
            f"trainable={trainable!r} was given with {given}, which brings its own parameters; leave it out"
        )


def _made(factory: object) -> nn.Module | None:
    """What a class or a function without arguments makes, or None where that is no module."""
    assert callable(factory)
    try:
        made = factory()
    except TypeError as error:
        if isinstance(factory, type) and issubclass(factory, nn.Module):
            raise ModelError(
                f"{factory.__name__}() cannot be made without arguments ({error}); give lambda: {factory.__name__}(...)"
            ) from error
        return None
    except Exception as error:
        raise ModelError(f"what `to` calls stopped with {type(error).__name__}: {error}") from error
    return made if isinstance(made, nn.Module) else None


def _made_again(factory: object) -> nn.Module:
    made = _made(factory)
    if made is None:
        raise ModelError(f"{factory!r} returned no torch.nn.Module")
    return made


def _called(module: nn.Module) -> str:
    found = getattr(module, "activation", None) if getattr(module, "num_parameters", 1) == 1 else None
    return found.spec if isinstance(found, Activation) else type(module).__name__


def fitted(new: nn.Module, old: nn.Module | None, near: Iterator[nn.Module]) -> nn.Module:
    """The new module on the device, in the precision and in the mode of its place.

    near: the modules around the place, innermost first, asked for a floating-point parameter or buffer in turn.
    """
    around = list(near)
    for module in (*([old] if old is not None else []), *around):
        tensors = (t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point())
        like = next(tensors, None)
        if like is not None:
            new.to(device=like.device, dtype=like.dtype)
            break
    mode = old.training if old is not None else around[0].training
    return new.train(mode)
