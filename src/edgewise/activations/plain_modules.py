"""The activations without parameters, as modules. Formulas, sources and facts are in their families' files."""

from __future__ import annotations

from edgewise.activations.modules import Device, Dtype, Elementwise

# They take device= and dtype= as every PyTorch module does, and have nothing to put there.


class Abs(Elementwise, family="abs"):
    """Absolute value: leaky ReLU at slope -1, scale-invariant with C_W = 1."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("abs", trainable=False, device=device, dtype=dtype)


class Arctan(Elementwise, family="arctan"):
    """Inverse tangent: saturates slowly, as 1/x."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("arctan", trainable=False, device=device, dtype=dtype)


class ArctanSquaredMinusX(Elementwise, family="arctan_squared_minus_x"):
    """A falling line with a dent."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("arctan_squared_minus_x", trainable=False, device=device, dtype=dtype)


class BentIdentity(Elementwise, family="bent_identity"):
    """A line that bends smoothly from slope 1/2 to slope 3/2."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("bent_identity", trainable=False, device=device, dtype=dtype)


class CosMinusX(Elementwise, family="cos_minus_x"):
    """A falling line with a ripple."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("cos_minus_x", trainable=False, device=device, dtype=dtype)


class Erf(Elementwise, family="erf"):
    """Error function; the sigmoidal unit whose kernel has a closed form."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("erf", trainable=False, device=device, dtype=dtype)


class Gaussian(Elementwise, family="gaussian"):
    """A bump at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("gaussian", trainable=False, device=device, dtype=dtype)


class GCU(Elementwise, family="gcu"):
    """Growing cosine unit: a single neuron of it solves XOR."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("gcu", trainable=False, device=device, dtype=dtype)


class GELU(Elementwise, family="gelu"):
    """Gaussian error linear unit: x times the probability that a standard normal lies below x."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("gelu", trainable=False, device=device, dtype=dtype)


class GELUTanh(Elementwise, family="gelu_tanh"):
    """GELU's approximation through tanh, the one of GPT-2."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("gelu_tanh", trainable=False, device=device, dtype=dtype)


class Hardsigmoid(Elementwise, family="hardsigmoid"):
    """Piecewise linear sigmoid: relu6(x + 3) / 6."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("hardsigmoid", trainable=False, device=device, dtype=dtype)


class Hardswish(Elementwise, family="hardswish"):
    """Swish with a piecewise linear gate; its slope jumps by one half at -3 and 3."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("hardswish", trainable=False, device=device, dtype=dtype)


class Hardtanh(Elementwise, family="hardtanh"):
    """The identity, cut off at -1 and 1."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("hardtanh", trainable=False, device=device, dtype=dtype)


class Identity(Elementwise, family="identity"):
    """No activation: the deep linear network, the simplest scale-invariant case."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("identity", trainable=False, device=device, dtype=dtype)


class LiSHT(Elementwise, family="lisht"):
    """x tanh(x), a smooth |x|: even, so it has no linear part at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("lisht", trainable=False, device=device, dtype=dtype)


class LogSigmoid(Elementwise, family="logsigmoid"):
    """Logarithm of the sigmoid: softplus turned by half a turn."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("logsigmoid", trainable=False, device=device, dtype=dtype)


class MaxSigmoid(Elementwise, family="max_sigmoid"):
    """Sigmoid up to where it meets the diagonal, the identity beyond."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("max_sigmoid", trainable=False, device=device, dtype=dtype)


class MaxTanh(Elementwise, family="max_tanh"):
    """tanh for x < 0, the identity for x > 0; the third derivative jumps at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("max_tanh", trainable=False, device=device, dtype=dtype)


class MinSin(Elementwise, family="min_sin"):
    """The identity for x < 0, sine for x > 0; the third derivative jumps at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("min_sin", trainable=False, device=device, dtype=dtype)


class Mish(Elementwise, family="mish"):
    """x gated by tanh(softplus(x))."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("mish", trainable=False, device=device, dtype=dtype)


class QuickGELU(Elementwise, family="quick_gelu"):
    """GELU's approximation by a logistic gate, swish at beta = 1.702."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("quick_gelu", trainable=False, device=device, dtype=dtype)


class ReLU(Elementwise, family="relu"):
    """The rectifier: passes what is positive."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("relu", trainable=False, device=device, dtype=dtype)


class ReLU2(Elementwise, family="relu2"):
    """Squared ReLU, the feed-forward unit of several language models; repu at p = 2."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("relu2", trainable=False, device=device, dtype=dtype)


class ReLU6(Elementwise, family="relu6"):
    """ReLU capped at 6, made for low-precision arithmetic."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("relu6", trainable=False, device=device, dtype=dtype)


class SELU(Elementwise, family="selu"):
    """ELU scaled so that mean 0 and variance 1 are a fixed point."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("selu", trainable=False, device=device, dtype=dtype)


class Serf(Elementwise, family="serf"):
    """x gated by erf(softplus(x))."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("serf", trainable=False, device=device, dtype=dtype)


class Sigmoid(Elementwise, family="sigmoid"):
    """Logistic function."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("sigmoid", trainable=False, device=device, dtype=dtype)


class SiLU(Elementwise, family="silu"):
    """x sigmoid(x): swish at beta = 1."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("silu", trainable=False, device=device, dtype=dtype)


class Sinc(Elementwise, family="sinc"):
    """Normalised sinc."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("sinc", trainable=False, device=device, dtype=dtype)


class SincPlusX(Elementwise, family="sinc_plus_x"):
    """The identity with a bump at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("sinc_plus_x", trainable=False, device=device, dtype=dtype)


class Softsign(Elementwise, family="softsign"):
    """Saturates as 1/x; its curvature jumps at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("softsign", trainable=False, device=device, dtype=dtype)


class Tanh(Elementwise, family="tanh"):
    """Hyperbolic tangent."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("tanh", trainable=False, device=device, dtype=dtype)


class Tanhshrink(Elementwise, family="tanhshrink"):
    """What tanh leaves over: cubic at the origin, linear far out."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("tanhshrink", trainable=False, device=device, dtype=dtype)


class TeLU(Elementwise, family="telu"):
    """x gated by tanh(exp(x)); linear from about 1 on."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("telu", trainable=False, device=device, dtype=dtype)


class XArcsinhSquared(Elementwise, family="x_arcsinh_squared"):
    """Grows a little faster than linear; cubic at the origin."""

    def __init__(self, *, device: Device = None, dtype: Dtype = None) -> None:
        super().__init__("x_arcsinh_squared", trainable=False, device=device, dtype=dtype)
