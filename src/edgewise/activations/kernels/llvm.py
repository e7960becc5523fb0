"""Programs as machine code on the CPU, by llvmlite: vector instructions, elementary functions from torch's own Sleef.

A kernel runs the whole program on one vector register after another, so that memory is read once and written once, and
shares the work among torch's own OpenMP threads. The last, incomplete vector goes through the same instructions under a
mask: what an element becomes depends on nothing but its value. Compiling takes some hundredths of a second.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import itertools
import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.activations.kernels.program import COMPARISONS, CONDITIONS, FUNCTIONS, Operand, Program, Slot, rewritten
from edgewise.activations.kernels.single import EXPANSIONS

_GRAIN = 32768  # torch's own: no more threads than this many elements each
_WIDTHS = {"AVX512": 512, "AVX2": 256}
_STORED = {torch.float32: "float", torch.float64: "double", torch.bfloat16: "i16", torch.float16: "half"}
_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_INTRINSICS = {"sqrt": "sqrt", "abs": "fabs", "floor": "floor", "round": "roundeven", "fma": "fma"}
_HALF_ULPS = {"erfc": "u15"}  # Sleef's name says the error bound in tenths of a unit in the last place; else u10


class NotCompilable(Exception):
    """This machine or this installation has no way to compile the program."""


@dataclass(frozen=True)
class Kernel:
    """A compiled program on tensors of one dtype."""

    address: int
    engine: Any = field(repr=False)  # owns the code

    def __post_init__(self) -> None:
        # begin, end, out, first input, second input, threads; ctypes lets go of the interpreter while it runs
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_size_t] * 6)
        object.__setattr__(self, "run", kind(self.address))

    run: Callable[..., None] = field(init=False, repr=False)

    def __call__(self, x: Tensor, grad: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """A new tensor, of x's layout where x has neither gaps nor overlaps.

        out: one of the same layout as x and grad, all contiguous, to be written instead; it may be x or grad itself.
        """
        if out is not None:
            self._fill(out, x, grad)
            return out
        out = torch.empty_like(x)
        if out.stride() != x.stride():
            x = out.copy_(x)  # every element is read before it is written
        if grad is not None and grad.stride() != x.stride():
            grad = (torch.empty_like(x) if x is out else out).copy_(grad)
        self._fill(out, x, grad)
        return out

    def _fill(self, out: Tensor, x: Tensor, grad: Tensor | None) -> None:
        n = x.numel()
        second = 0 if grad is None else grad.data_ptr()
        threads = min(torch.get_num_threads(), -(-n // _GRAIN))
        if threads <= 1 or _libraries().parallel:
            self.run(0, n, out.data_ptr(), x.data_ptr(), second, threads)
            return
        edges = [n * i // threads for i in range(threads + 1)]
        pieces = [(a, b, out.data_ptr(), x.data_ptr(), second, 1) for a, b in itertools.pairwise(edges)]
        list(_pool(threads).map(lambda piece: self.run(*piece), pieces))


@dataclass(frozen=True)
class Libraries:
    """What this torch offers: Sleef's functions, OpenMP (`parallel`), and the vector width in bits."""

    functions: ctypes.CDLL
    parallel: bool
    bits: int


@cache
def _libraries() -> Libraries:
    """Raises NotCompilable where torch's library cannot be opened."""
    folder = Path(torch.__file__).parent / "lib"
    name = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
    try:
        library = ctypes.CDLL(str(folder / name))
    except OSError as error:
        raise NotCompilable(f"{name} cannot be opened: {error}") from None
    parallel = all(hasattr(library, f) for f in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"))
    return Libraries(library, parallel, _WIDTHS.get(torch.backends.cpu.get_cpu_capability(), 128))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="edgewise-kernel")


def _binding() -> Any:
    try:
        return importlib.import_module("llvmlite.binding")
    except ImportError:
        raise NotCompilable("llvmlite is not installed: pip install llvmlite") from None


def available() -> tuple[bool, str]:
    """Whether programs can be compiled here, and by what, or why not."""
    try:
        llvm, libraries = _binding(), _libraries()
    except NotCompilable as error:
        return False, str(error)
    version = ".".join(map(str, llvm.llvm_version_info))
    threads = "torch's OpenMP threads" if libraries.parallel else "Python threads"
    return (
        True,
        f"LLVM {version} by llvmlite {importlib.metadata.version('llvmlite')}, {libraries.bits}-bit vectors, {threads}",
    )


@cache
def _host() -> tuple[Any, str, str]:
    """LLVM's target, the processor and its features."""
    llvm = _binding()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def compiled(program: Program, dtype: torch.dtype) -> Kernel:
    """The program as a kernel on tensors of `dtype`; halves are computed in float32. Raises NotCompilable."""
    llvm, libraries = _binding(), _libraries()
    if dtype != torch.float64 and libraries.bits >= 256:  # where a fused multiply-add is one instruction
        program = rewritten(program, EXPANSIONS, torch.float32)
    text = _Text(program, dtype, libraries)
    target, processor, features = _host()
    try:
        machine = target.create_target_machine(processor, features, opt=3, jit=True)  # the engine comes to own it
        module = llvm.parse_assembly(text.module())
        module.verify()
        engine = llvm.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        return Kernel(engine.get_function_address("run"), engine)
    except RuntimeError as error:
        raise NotCompilable(f"LLVM: {error}") from None


class _Text:
    """The LLVM assembly of one program."""

    def __init__(self, program: Program, dtype: torch.dtype, libraries: Libraries) -> None:
        self.program = program
        self.stored = _STORED[dtype]
        self.scalar = "double" if dtype == torch.float64 else "float"
        self.lanes = libraries.bits // (64 if self.scalar == "double" else 32)
        if self.stored in ("half", "i16") and libraries.bits == 128 and sys.platform != "darwin":
            raise NotCompilable("half precision needs wider vectors here")
        self.libraries = libraries
        self.vector = f"<{self.lanes} x {self.scalar}>"
        self.mask = f"<{self.lanes} x i1>"
        self.memory = f"<{self.lanes} x {self.stored}>"
        self.declared: dict[str, str] = {}

    def module(self) -> str:
        parts = [self._range(), self._task() if self.libraries.parallel else "", self._run()]
        return "\n".join([*parts, *self.declared.values()])

    def _declare(self, name: str, signature: str) -> str:
        self.declared[name] = signature.format(name=name)
        return f"@{name}"

    # --- one vector

    def constant(self, value: float) -> str:
        if self.scalar == "float":
            value = torch.tensor(value, dtype=torch.float64).float().item()
        bits = struct.unpack("<Q", struct.pack("<d", value))[0]
        return "<" + ", ".join([f"{self.scalar} 0x{bits:016X}"] * self.lanes) + ">"

    def _body(self, tag: str) -> tuple[list[str], str]:
        """The program on the vectors ``%x<tag>`` and ``%g<tag>``, and the name of its result."""
        names = [f"%x{tag}", f"%g{tag}"][: self.program.inputs]
        lines = []
        for i, step in enumerate(self.program.steps):
            name = f"%v{tag}{i}"
            if step.operation == "scale":
                lines += self._scaled(name, *[self._operand(o, names) for o in step.operands])
            else:
                lines.append(f"  {name} = {self._instruction(step.operation, step.operands, names)}")
            names.append(name)
        return lines, self._operand(self.program.result, names)

    def _operand(self, operand: Operand, names: list[str]) -> str:
        return names[operand.index] if isinstance(operand, Slot) else self.constant(operand)

    def _instruction(self, operation: str, operands: tuple[Operand, ...], names: list[str]) -> str:
        given = [self._operand(o, names) for o in operands]
        if operation in _ARITHMETIC:
            return f"{_ARITHMETIC[operation]} {self.vector} {given[0]}, {given[1]}"
        if operation in COMPARISONS:
            return f"fcmp {_ORDERED[operation]} {self.vector} {given[0]}, {given[1]}"
        if operation in ("and", "or"):
            return f"{operation} {self.mask} {given[0]}, {given[1]}"
        if operation == "not":
            return f"xor {self.mask} {given[0]}, <{', '.join(['i1 true'] * self.lanes)}>"
        if operation == "neg":
            return f"fneg {self.vector} {given[0]}"
        if operation == "number":
            return f"uitofp {self.mask} {given[0]} to {self.vector}"
        if operation == "select":
            a, b = given[1:]
            kind = self.mask if self._is_condition(operands[1]) else self.vector
            return f"select {self.mask} {given[0]}, {kind} {a}, {kind} {b}"
        if operation in _INTRINSICS:
            short = "f64" if self.scalar == "double" else "f32"
            return self._call(f"llvm.{_INTRINSICS[operation]}.v{self.lanes}{short}", given)
        return self._library_call(operation, given)

    def _scaled(self, name: str, number: str, exponent: str) -> list[str]:
        """number * 2**exponent in float32, the number near 1 or nan, abs(exponent) <= 150."""
        if self.libraries.bits == 512:  # one instruction of AVX-512
            intrinsic = f"llvm.x86.avx512.mask.scalef.ps.{self.libraries.bits}"
            kinds = f"{self.vector}, {self.vector}, {self.vector}, i16, i32"
            self._declare(intrinsic, f"declare {self.vector} @{{name}}({kinds})")
            given = f"{self.vector} {number}, {self.vector} {exponent}, {self.vector} {number}, i16 -1, i32 4"
            return [f"  {name} = call {self.vector} @{intrinsic}({given})"]
        wide = f"<{self.lanes} x i32>"
        lines = [
            f"  {name}i = fptosi {self.vector} {exponent} to {wide}",
            f"  {name}f = freeze {wide} {name}i",
            f"  {name}l = ashr {wide} {name}f, {self._integer(1)}",  # in two halves, so that neither power overflows
            f"  {name}r = sub {wide} {name}f, {name}l",
        ]
        for half in ("l", "r"):
            lines += [
                f"  {name}{half}e = add {wide} {name}{half}, {self._integer(127)}",
                f"  {name}{half}s = shl {wide} {name}{half}e, {self._integer(23)}",
                f"  {name}{half}p = bitcast {wide} {name}{half}s to {self.vector}",
            ]
        return [
            *lines,
            f"  {name}o = fmul {self.vector} {number}, {name}lp",
            f"  {name} = fmul {self.vector} {name}o, {name}rp",
        ]

    def _is_condition(self, operand: Operand) -> bool:
        if not isinstance(operand, Slot) or operand.index < self.program.inputs:
            return False
        return self.program.steps[operand.index - self.program.inputs].operation in CONDITIONS

    def _library_call(self, operation: str, given: list[str]) -> str:
        """A vector function of Sleef, which torch brings along."""
        if operation not in (*FUNCTIONS, "pow"):
            raise NotCompilable(f"no operation {operation}")
        letter = "d" if self.scalar == "double" else "f"
        symbol = f"Sleef_{operation}{letter}{self.lanes}_{_HALF_ULPS.get(operation, 'u10')}"
        try:
            function = getattr(self.libraries.functions, symbol)
        except AttributeError:
            raise NotCompilable(f"this torch does not offer {symbol}") from None
        _binding().add_symbol(symbol, ctypes.cast(function, ctypes.c_void_p).value)
        return self._call(symbol, given)

    def _call(self, name: str, given: list[str]) -> str:
        kinds = ", ".join([self.vector] * len(given))
        function = self._declare(name, f"declare {self.vector} @{{name}}({kinds}) nounwind willreturn")
        return f"call {self.vector} {function}({', '.join(f'{self.vector} {g}' for g in given)})"

    # --- memory

    def _load(self, name: str, pointer: str, at: str, mask: str | None) -> list[str]:
        size = 2 if self.stored in ("i16", "half") else 4 if self.stored == "float" else 8
        lines = [f"  {name}p = getelementptr {self.stored}, ptr {pointer}, i64 {at}"]
        raw = name if self.stored == self.scalar else f"{name}m"
        if mask is None:
            lines.append(f"  {raw} = load {self.memory}, ptr {name}p, align {size}")
        else:
            f = self._masked("load")
            lines.append(
                f"  {raw} = call {self.memory} {f}"
                f"(ptr {name}p, i32 {size}, {self.mask} {mask}, {self.memory} zeroinitializer)"
            )
        if self.stored == "half":
            lines.append(f"  {name} = fpext {self.memory} {raw} to {self.vector}")
        if self.stored == "i16":  # bfloat16 is the upper half of a float
            wide = f"<{self.lanes} x i32>"
            lines += [
                f"  {name}w = zext {self.memory} {raw} to {wide}",
                f"  {name}s = shl {wide} {name}w, {self._integer(16)}",
                f"  {name} = bitcast {wide} {name}s to {self.vector}",
            ]
        return lines

    def _store(self, name: str, pointer: str, at: str, mask: str | None) -> list[str]:
        size = 2 if self.stored in ("i16", "half") else 4 if self.stored == "float" else 8
        lines = [f"  {name}q = getelementptr {self.stored}, ptr {pointer}, i64 {at}"]
        raw = name
        if self.stored == "half":
            raw = f"{name}h"
            lines.append(f"  {raw} = fptrunc {self.vector} {name} to {self.memory}")
        if self.stored == "i16":  # to the nearest, ties to even; nan stays nan
            wide, raw = f"<{self.lanes} x i32>", f"{name}h"
            lines += [
                f"  {name}b = bitcast {self.vector} {name} to {wide}",
                f"  {name}s = lshr {wide} {name}b, {self._integer(16)}",
                f"  {name}l = and {wide} {name}s, {self._integer(1)}",
                f"  {name}a = add {wide} {name}l, {self._integer(0x7FFF)}",
                f"  {name}r = add {wide} {name}b, {name}a",
                f"  {name}t = lshr {wide} {name}r, {self._integer(16)}",
                f"  {name}n = fcmp uno {self.vector} {name}, {name}",
                f"  {name}k = select {self.mask} {name}n, {wide} {self._integer(0x7FC0)}, {wide} {name}t",
                f"  {raw} = trunc {wide} {name}k to {self.memory}",
            ]
        if mask is None:
            lines.append(f"  store {self.memory} {raw}, ptr {name}q, align {size}")
        else:
            f = self._masked("store")
            lines.append(f"  call void {f}({self.memory} {raw}, ptr {name}q, i32 {size}, {self.mask} {mask})")
        return lines

    def _masked(self, what: str) -> str:
        kind = {"float": "f32", "double": "f64", "half": "f16", "i16": "i16"}[self.stored]
        name = f"llvm.masked.{what}.v{self.lanes}{kind}.p0"
        if what == "load":
            return self._declare(name, f"declare {self.memory} @{{name}}(ptr, i32, {self.mask}, {self.memory})")
        return self._declare(name, f"declare void @{{name}}({self.memory}, ptr, i32, {self.mask})")

    def _integer(self, value: int) -> str:
        return "<" + ", ".join([f"i32 {value}"] * self.lanes) + ">"

    def _vector_at(self, tag: str, at: str, mask: str | None) -> list[str]:
        """Load, compute, store one vector."""
        lines = self._load(f"%x{tag}", "%first", at, mask)
        if self.program.inputs == 2:
            lines += self._load(f"%g{tag}", "%second", at, mask)
        body, result = self._body(tag)
        # a name of its own for what may be a constant
        named = f"  %y{tag} = select i1 true, {self.vector} {result}, {self.vector} {result}"
        return [*lines, *body, named, *self._store(f"%y{tag}", "%out", at, mask)]

    # --- loops

    def _range(self) -> str:
        """``@range``: elements begin to end."""
        lane = "<" + ", ".join(f"i64 {i}" for i in range(self.lanes)) + ">"
        many = f"<{self.lanes} x i64>"
        return "\n".join(
            [
                "define internal void @range(i64 %begin, i64 %end, ptr %out, ptr %first, ptr %second) {",
                "entry:",
                "  %size = sub i64 %end, %begin",
                f"  %rest = urem i64 %size, {self.lanes}",
                "  %last = sub i64 %end, %rest",
                "  %some = icmp ult i64 %begin, %last",
                "  br i1 %some, label %loop, label %after",
                "loop:",
                "  %i = phi i64 [ %begin, %entry ], [ %next, %loop ]",
                *self._vector_at("a", "%i", None),
                f"  %next = add i64 %i, {self.lanes}",
                "  %more = icmp ult i64 %next, %last",
                "  br i1 %more, label %loop, label %after",
                "after:",
                "  %ragged = icmp ne i64 %rest, 0",
                "  br i1 %ragged, label %tail, label %done",
                "tail:",
                f"  %start = insertelement {many} poison, i64 %rest, i32 0",
                f"  %spread = shufflevector {many} %start, {many} poison, <{self.lanes} x i32> zeroinitializer",
                f"  %mask = icmp ult {many} {lane}, %spread",
                *self._vector_at("t", "%last", "%mask"),
                "  br label %done",
                "done:",
                "  ret void",
                "}",
            ]
        )

    def _task(self) -> str:
        """``@task``: the share of one OpenMP thread."""
        for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"):
            address = ctypes.cast(getattr(self.libraries.functions, name), ctypes.c_void_p).value
            _binding().add_symbol(name, address)
        self._declare("GOMP_parallel", "declare void @{name}(ptr, ptr, i32, i32)")
        self._declare("omp_get_thread_num", "declare i32 @{name}()")
        self._declare("omp_get_num_threads", "declare i32 @{name}()")
        loads = []
        for i, name in enumerate(("begin", "end", "out", "first", "second")):
            kind = "i64" if i < 2 else "ptr"
            loads += [
                f"  %p{i} = getelementptr i64, ptr %job, i64 {i}",
                f"  %{name} = load {kind}, ptr %p{i}",
            ]
        return "\n".join(
            [
                "define internal void @task(ptr %job) {",
                *loads,
                "  %who32 = call i32 @omp_get_thread_num()",
                "  %of32 = call i32 @omp_get_num_threads()",
                "  %who = zext i32 %who32 to i64",
                "  %of = zext i32 %of32 to i64",
                "  %size = sub i64 %end, %begin",
                "  %each = udiv i64 %size, %of",
                "  %low0 = mul i64 %each, %who",
                "  %low = add i64 %begin, %low0",
                "  %next = add i64 %low, %each",
                "  %who1 = add i64 %who, 1",
                "  %final = icmp eq i64 %who1, %of",
                "  %high = select i1 %final, i64 %end, i64 %next",
                "  call void @range(i64 %low, i64 %high, ptr %out, ptr %first, ptr %second)",
                "  ret void",
                "}",
            ]
        )

    def _run(self) -> str:
        """``@run(begin, end, out, first, second, threads)``."""
        head = "define void @run(i64 %begin, i64 %end, i64 %o, i64 %f, i64 %s, i64 %threads) {"
        pointers = [f"  %{n} = inttoptr i64 %{n[0]} to ptr" for n in ("out", "first", "second")]
        alone = "  call void @range(i64 %begin, i64 %end, ptr %out, ptr %first, ptr %second)"
        if not self.libraries.parallel:
            return "\n".join([head, *pointers, alone, "  ret void", "}"])
        fill = []
        for i, name in enumerate(("begin", "end", "o", "f", "s")):
            fill += [f"  %q{i} = getelementptr i64, ptr %job, i64 {i}", f"  store i64 %{name}, ptr %q{i}"]
        return "\n".join(
            [
                head,
                "entry:",
                *pointers,
                "  %single = icmp ule i64 %threads, 1",
                "  br i1 %single, label %alone, label %together",
                "alone:",
                alone,
                "  ret void",
                "together:",
                "  %job = alloca i64, i64 5",
                *fill,
                "  %team = trunc i64 %threads to i32",
                "  call void @GOMP_parallel(ptr @task, ptr %job, i32 %team, i32 0)",
                "  ret void",
                "}",
            ]
        )
