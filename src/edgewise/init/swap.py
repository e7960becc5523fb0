"""`ew.swap_`: other activations in a model that exists."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from edgewise.activations import Activation, activation, names
from edgewise.activations.modules import Trainable
from edgewise.activations.torch_names import same_as
from edgewise.errors import EdgewiseError, ModelError
from edgewise.init.acceptance import accepted, unwrapping
from edgewise.init.replacement import Maker, fitted, maker
from edgewise.init.swap_report import Change, SwapReport
from edgewise.init.tracing.modules import Layer, leaves
from edgewise.init.tracing.rewriting import Rewriting, functional_activations, rewritten

Predicate = Callable[[str, nn.Module], bool]
Which = type[nn.Module] | tuple[type[nn.Module], ...] | str | Activation | Predicate


def swap_(
    model: nn.Module, which: Which, to: object, *, functional: bool = False, trainable: Trainable = None
) -> SwapReport:
    """Replaces activations of a model, in place; ``report.undo()`` puts the old ones back.

    which: a module type (or a tuple of them); an activation or its spec ("relu" for any relu, "leaky_relu" for all
        slopes, "leaky_relu(a=0.2)" for that one), in modules of whatever type and in attributes that hold a function
        (``self.act = F.relu``); a pattern of module names ("blocks.*.act"); or predicate(name, module).
    to: what `ew.activation` takes, a tailored activation, a module (copied for each place), or a class or function
        without arguments that makes one.
    functional: also calls of functions inside forward (F.relu(x), x.tanh(), relu(x)**2): a forward that is code cannot
        be changed in place, so ``report.model`` is then a ``torch.fx.GraphModule`` that shares all parameters with the
        model and behaves as its forward does with default arguments.
    trainable: which parameters of the new activation are learned; None is its own choice.

    New modules take the mode of what they replace, and the device and dtype around it; an instance that is used in
    several places stays one. Nothing is changed if anything fails.
    Raises ModelError where nothing matches or what matches is no activation, SpecError where `to` is none, TraceError
    where functional=True and torch.fx cannot follow the model.

    >>> import edgewise as ew, torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> report = ew.swap_(model, torch.nn.ReLU, "mrepu(p=2)")
    >>> report.changes[0].names, report.changes[0].now
    (('1',), 'mrepu(p=2)')
    """
    inner = accepted(model, with_values=False)
    make, now = maker(to, trainable)
    wanted = _Wanted.of(which)
    known = leaves(inner)
    plan = _Plan(inner, make, now)
    for name, module in inner.named_modules():
        if wanted.module(name, module, known.get(name)):
            plan.replace_module(name, module, known.get(name))
        else:
            for attribute, held in _held_functions(module, wanted):
                plan.replace_attribute(name, module, attribute, held)
    notes = [said] if (said := unwrapping(model)) else []
    plan.check(model)
    plan.write()
    try:
        calls = _functional(inner, wanted, plan, functional, notes)
        if not plan.changes and not calls:
            raise ModelError(_nothing(which, inner, known, notes))
        traced = rewritten(inner, calls, plan.new_module) if calls else None
    except BaseException:
        plan.revert()
        raise
    changes = plan.changes + [Change((c.node.name,), "call", c.was, now) for c in calls]
    result = model if traced is None else traced.model
    notes += plan.notes + ([] if traced is None else list(traced.notes))
    places = sum(len(change.names) for change in changes)
    where = (
        ""
        if traced is None
        else "; use report.model, the calls inside forward could not be changed in the model itself"
    )
    return SwapReport(
        changes=tuple(changes),
        model=result,
        reason=f"{places} activation{'s' if places > 1 else ''} replaced by {now}{where}",
        parameters=plan.new_parameters(result if traced is not None else inner),
        notes=tuple(notes),
        _revert=plan.revert,
    )


@dataclass(frozen=True)
class _Wanted:
    """What is to be replaced, in one of its four forms."""

    types: tuple[type[nn.Module], ...] = ()
    spec: Activation | None = None
    family: bool = False
    pattern: str | None = None
    predicate: Predicate | None = None

    @classmethod
    def of(cls, which: object) -> _Wanted:
        """Raises ModelError for what is none of them."""
        if isinstance(which, Activation):
            return cls(spec=which)
        if isinstance(which, str):
            try:
                spec = activation(which)
            except EdgewiseError:
                if any(sign in which for sign in "*?[.") or which.isidentifier():
                    return cls(pattern=which)
                raise
            return cls(spec=spec, family=which.strip() in names() and which.strip() == spec.name)
        types = which if isinstance(which, tuple) else (which,)
        if types and all(isinstance(t, type) and issubclass(t, nn.Module) for t in types):
            return cls(types=types)
        if isinstance(which, nn.Module):
            chosen = which
            return cls(predicate=lambda name, module: module is chosen)
        if callable(which):
            function = same_as(which)
            return cls(predicate=which) if function is None else cls(spec=function)
        raise ModelError(
            f"which={which!r} given; expected a module type, an activation or its spec, a pattern of module names "
            "or predicate(name, module)"
        )

    def module(self, name: str, module: nn.Module, layer: Layer | None) -> bool:
        """Whether this module is to be replaced."""
        if self.types:
            return isinstance(module, self.types)
        if self.predicate is not None:
            try:
                return bool(self.predicate(name, module))
            except Exception as error:
                raise ModelError(
                    f"the predicate stopped at {name or 'the model itself'!r} with {type(error).__name__}: {error}; "
                    "it is called with the name of a module and the module"
                ) from error
        if layer is None or layer.activation is None:
            return False
        return (
            fnmatch.fnmatchcase(name, self.pattern) if self.pattern is not None else self.activation(layer.activation)
        )

    def activation(self, found: Activation | None) -> bool:
        """Whether an activation that is no module is to be replaced; by type, those which that type computes."""
        if found is None:
            return False
        if self.spec is not None:
            return found.definition is self.spec.definition if self.family else found == self.spec
        return any(found == plain for kind in self.types if (plain := _plain(kind)) is not None)

    def call(self, name: str, found: Activation | None) -> bool:
        """Whether the call of a function that is this node is to be replaced."""
        if self.pattern is not None:
            return fnmatch.fnmatchcase(name, self.pattern)
        return self.activation(found)


def _plain(kind: type[nn.Module]) -> Activation | None:
    """What a module type computes when it is made without arguments."""
    try:
        return same_as(kind())
    except TypeError:
        return None


def _held_functions(module: nn.Module, wanted: _Wanted) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Attributes of a module that hold a function which is to be replaced."""
    for attribute, held in list(module.__dict__.items()):
        if attribute.startswith("_") or isinstance(held, type) or not callable(held):
            continue
        found = held if isinstance(held, Activation) else same_as(held)
        if wanted.activation(found):
            yield attribute, held


def _functional(model: nn.Module, wanted: _Wanted, plan: _Plan, functional: bool, notes: list[str]) -> list[Rewriting]:
    """The calls of functions to be replaced; where that was not asked for, a note of what stays."""
    try:
        found = [c for c in functional_activations(model) if wanted.call(c.node.name, c.node.activation)]
    except ModelError as error:
        if functional:
            raise
        notes.append(f"calls of functions inside forward, if there are any, stay: {str(error).split('; ')[0]}")
        return []
    mine = {name for change in plan.changes for name in change.names}  # their own code is theirs
    found = [c for c in found if not any(c.where == name or c.where.startswith(f"{name}.") for name in mine)]
    if functional or not found:
        return found
    which = ", ".join(c.node.name for c in found[:5]) + (", ..." if len(found) > 5 else "")
    notes.append(
        f"{len(found)} call{'s' if len(found) > 1 else ''} of functions inside forward match too and stay ({which}); "
        "functional=True gives a model in which they are replaced"
    )
    return []


def _nothing(which: object, model: nn.Module, known: dict[str, Layer], notes: list[str]) -> str:
    there = dict.fromkeys(layer.activation.spec for layer in known.values() if layer.activation is not None)
    seen = f"its activation modules are {', '.join(there)}" if there else "it has no activation modules"
    given = which.__name__ if isinstance(which, type) else repr(which)
    more = "; ".join(("", *notes))
    return f"nothing in {type(model).__name__} matches {given}: {seen}{more}"


@dataclass
class _Plan:
    """Everything that is to be changed, made first and written last."""

    model: nn.Module
    make: Maker
    now: str
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _writes: list[tuple[nn.Module, str, Any, Any]] = field(default_factory=list)  # owner, name, old, new
    _new: list[nn.Module] = field(default_factory=list)
    _written: bool = False

    def replace_module(self, name: str, old: nn.Module, layer: Layer | None) -> None:
        """Plans a new module in every place of the old one. Raises ModelError where the old one is no activation."""
        said = type(old).__name__
        if not name:
            raise ModelError(f"the model itself is the {said} to be replaced; make the new one instead")
        is_activation = layer is not None and (
            layer.activation is not None or layer.kind in ("reshape", "scale", "unknown")
        )
        if (not is_activation and any(True for _ in old.parameters())) or any(True for _ in old.children()):
            raise ModelError(f"{name} ({said}) matches and is no activation; nothing was changed; narrow `which`")
        places = [
            (f"{owner_name}.{key}" if owner_name else key, owner, key)
            for owner_name, owner in self.model.named_modules()
            for key, child in owner._modules.items()
            if child is old
        ]
        new = fitted(self.make(), old, self._around(name))
        self._new.append(new)
        for _, owner, key in places:
            self._writes.append((owner, key, old, new))
        was = layer.activation.spec if layer is not None and layer.activation is not None else said
        self.changes.append(Change(tuple(place for place, _, _ in places), "module", was, self.now))
        if old._forward_hooks or old._forward_pre_hooks or old._backward_hooks:
            self.notes.append(f"{name} had hooks, which stay with the old module")

    def replace_attribute(self, name: str, owner: nn.Module, attribute: str, held: Any) -> None:
        """Plans a module where an attribute holds a function."""
        new = fitted(self.make(), None, self._around(f"{name}.{attribute}" if name else attribute))
        self._new.append(new)
        self._writes.append((owner, attribute, held, new))
        found = held if isinstance(held, Activation) else same_as(held)
        assert found is not None
        place = f"{name}.{attribute}" if name else attribute
        self.changes.append(Change((place,), "attribute", found.spec, self.now))
        if isinstance(owner, nn.TransformerEncoderLayer):  # its fused kernels know relu and gelu only
            self._writes.append((owner, "activation_relu_or_gelu", owner.activation_relu_or_gelu, 0))
            for stack in self.model.modules():
                if isinstance(stack, nn.TransformerEncoder) and owner in list(stack.layers) and stack.use_nested_tensor:
                    self._writes.append((stack, "use_nested_tensor", True, False))

    def new_module(self, near: str) -> nn.Module:
        """One more new module, for a place inside the code of the module of that name."""
        new = fitted(self.make(), None, self._around(f"{near}.x" if near else "x"))
        self._new.append(new)
        return new

    def _around(self, name: str) -> Iterator[nn.Module]:
        """The modules that hold a name, innermost first."""
        parts = name.split(".")[:-1]
        for length in range(len(parts), -1, -1):
            yield self.model.get_submodule(".".join(parts[:length]))

    def check(self, model: nn.Module) -> None:
        """Raises ModelError where new parameters would escape a wrapper that counts them when it is made."""
        wrapped = isinstance(model, nn.parallel.DistributedDataParallel)
        if wrapped and any(True for new in self._new for _ in new.parameters()):
            raise ModelError(
                "the new activation has parameters, which DistributedDataParallel would not synchronise; "
                "swap first, then wrap"
            )

    def write(self) -> None:
        """Puts the new modules into their places."""
        for owner, name, _, new in self._writes:
            _put(owner, name, new)
        self._written = True

    def revert(self) -> None:
        """Puts the old ones back. Raises ModelError where the model has been changed since, having changed nothing."""
        if not self._written:
            return
        for owner, name, _, new in self._writes:
            if getattr(owner, name, None) is not new:
                raise ModelError(
                    f"{name} of {type(owner).__name__} is no longer what swap_ put there; nothing was undone"
                )
        for owner, name, old, _ in reversed(self._writes):
            _put(owner, name, old)
        self._written = False

    def new_parameters(self, model: nn.Module) -> tuple[str, ...]:
        """The qualified names of the parameters of the new modules."""
        mine = {id(p) for new in self._new for p in new.parameters() if p.requires_grad}
        return tuple(name for name, p in model.named_parameters() if id(p) in mine)


def _put(owner: nn.Module, name: str, value: Any) -> None:
    """Sets a submodule or attribute; a submodule keeps its place in the order of submodules."""
    if isinstance(value, nn.Module):
        if name not in owner._modules:
            owner.__dict__.pop(name, None)
        owner._modules[name] = value
    else:
        owner._modules.pop(name, None)
        owner.__dict__[name] = value
