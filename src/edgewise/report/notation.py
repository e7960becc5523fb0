"""Formulas and numbers as people read them: LaTeX as plain text, numbers with a sensible count of digits."""

from __future__ import annotations

import math
import re

_SYMBOLS = {
    r"\varphi": "φ",
    r"\Phi": "Φ", r"\phi": "φ", r"\sigma": "σ", r"\pi": "π", r"\alpha": "α", r"\beta": "β", r"\gamma": "γ",
    r"\lambda": "λ", r"\omega": "ω", r"\mu": "μ", r"\infty": "∞", r"\cdot": "·", r"\times": "×", r"\leq": "≤",
    r"\geq": "≥", r"\le": "≤", r"\ge": "≥", r"\pm": "±", r"\int": "∫", r"\sum": "Σ", r"\lvert": "|",
    r"\rvert": "|", r"\to": "→", r"\ne": "≠", r"\,": " ", r"\;": " ", r"\:": " ", r"\ ": " ", r"\quad": "  ",
    r"\!": "", r"\left": "", r"\right": "", r"\{": "{", r"\}": "}", r"\displaystyle": "", r"\varepsilon": "ε",
    r"\epsilon": "ε", r"\delta": "δ", r"\tau": "τ", r"\theta": "θ", r"\rho": "ρ",
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}^_]|\s+|[^\\{}^_\s]", re.DOTALL)


def plain(latex: str) -> str:
    """LaTeX of a formula as one line of text: ``x\\,\\max(x+1,\\,0)^{2}`` becomes ``x max(x+1, 0)²``."""
    tokens = [" " if token.isspace() else token for token in _TOKEN.findall(latex)]
    text, _ = _sequence(tokens, 0, stop=None)
    text = re.sub(r" +", " ", text)
    return re.sub(r"\( ", "(", re.sub(r" ([),])", r"\1", text)).strip()


def _sequence(tokens: list[str], i: int, *, stop: str | None) -> tuple[str, int]:
    out: list[str] = []
    while i < len(tokens) and tokens[i] != stop:
        function = tokens[i].startswith("\\") and tokens[i] not in _SYMBOLS
        text, i = _atom(tokens, i)
        if function and text[:1].isalpha() and out and out[-1][-1:].isalnum():
            out.append(" ")  # "x tanh x", not "xtanh x"
        out.append(text)
    return "".join(out), i + 1


def _atom(tokens: list[str], i: int) -> tuple[str, int]:
    """The text of the token (and its arguments) at i, and the index after it."""
    token = tokens[i]
    if token == "{":
        return _sequence(tokens, i + 1, stop="}")
    if token in ("^", "_"):
        text, i = _argument(tokens, i + 1)
        return _script(text) if token == "^" else f"_{text}", i
    if token in (r"\frac", r"\tfrac", r"\dfrac"):
        above, i = _argument(tokens, i + 1)
        below, i = _argument(tokens, i)
        quotient = f"{_grouped(above)}/{_grouped(below)}"
        return (f"({quotient})" if _multiplied(tokens, i) else quotient), i
    if token == r"\sqrt":
        inside, i = _argument(tokens, i + 1)
        return (f"√{inside}" if len(inside) == 1 else f"√({inside})"), i
    if token in (r"\mathrm", r"\operatorname", r"\text", r"\mathbf", r"\textrm"):
        name, i = _argument(tokens, i + 1)
        return _spaced(name, tokens, i), i
    if token in _SYMBOLS:
        return _SYMBOLS[token], i + 1
    if token.startswith("\\") and token[1:].isalpha():
        return _spaced(token[1:], tokens, i + 1), i + 1
    return token.removeprefix("\\"), i + 1


def _argument(tokens: list[str], i: int) -> tuple[str, int]:
    while i < len(tokens) and tokens[i] == " ":
        i += 1
    return _atom(tokens, i) if i < len(tokens) else ("", i)


def _multiplied(tokens: list[str], i: int) -> bool:
    """Whether what stands at i multiplies what stands before it: then x/2 (1+x) needs its parentheses."""
    while i < len(tokens) and tokens[i] in (" ", r"\,", r"\;", r"\left", r"\bigl"):
        i += 1
    return i < len(tokens) and (tokens[i][:1].isalnum() or tokens[i] == "(" or tokens[i][1:2].isalpha())


def _spaced(name: str, tokens: list[str], i: int) -> str:
    """A function's name, set apart from a bare argument: "tanh x", but "tanh(x)" and "tanh²"."""
    following = tokens[i] if i < len(tokens) else ""
    return f"{name} " if following[:1].isalnum() or following in ("{",) else name


def _grouped(text: str) -> str:
    return text if re.fullmatch(r"[\w.√²³]+|√?\([^()]*\)", text) else f"({text})"


def _script(text: str) -> str:
    if all(character in "0123456789+-n" for character in text):
        return text.translate(_SUPERSCRIPT)
    return f"^{text}" if re.fullmatch(r"\w+", text) else f"^({text})"


def number(value: float | None, digits: int = 4) -> str:
    """A number for reading: `digits` significant ones, a real minus sign, powers of ten as such; – for none or nan."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        text = f"{float(text):.0f}" if "e" in text else text
        return text.replace("-", "−")
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = str(int(exponent)).translate(_SUPERSCRIPT)
    if mantissa in ("1", "-1"):
        return f"{mantissa[:-1].replace('-', '−')}10{power}"
    return f"{mantissa.replace('-', '−')}×10{power}"


def smoothness(value: float) -> str:
    """The smoothness class of an activation as text: "C^∞", "C^1", "jumps"."""
    if math.isinf(value):
        return "C^∞"
    return "jumps" if value < 0 else f"C^{value:.0f}"
