"""The activations with parameters, as modules: fixed numbers unless `trainable` names them.

Every class takes `trainable` (None: the family's own choice; True: all; False: none; or names), `num_parameters` (1, or
the number of channels in dimension 1), `device` and `dtype`; see `Elementwise`.
"""

from __future__ import annotations

from edgewise.activations.modules import Device, Dtype, Elementwise, Trainable
from edgewise.activations.registry import registered


class CELU(Elementwise, family="celu"):
    """ELU whose slope is continuous at every alpha.

    alpha: saturates at -alpha.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("celu", alpha=alpha)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Cos(Elementwise, family="cos"):
    """Cosine; even, so no critical point at the origin.

    omega: angular frequency.
    """

    def __init__(
        self,
        omega: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("cos", omega=omega)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class ELU(Elementwise, family="elu"):
    """ReLU with an exponential tail that saturates at -alpha.

    alpha: saturates at -alpha.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("elu", alpha=alpha)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class GSmeLU(Elementwise, family="gsmelu"):
    """Two lines of any slopes joined by a parabola.

    alpha: the parabola starts at -alpha.
    beta: the parabola ends at beta.
    g_minus: slope of the left line.
    g_plus: slope of the right line.
    t: value at -alpha; unless given, such that the left line passes through the origin.
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 0.1,
        g_minus: float = 0.01,
        g_plus: float = 1.0,
        t: float | None = None,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        given = {} if t is None else {"t": t}
        initial = registered("gsmelu", alpha=alpha, beta=beta, g_minus=g_minus, g_plus=g_plus, **given)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Hardshrink(Elementwise, family="hardshrink"):
    """Hard thresholding: 0 up to lambda, the identity beyond; it jumps.

    lam: threshold lambda.
    """

    def __init__(
        self, lam: float = 0.5, *, trainable: Trainable = None, device: Device = None, dtype: Dtype = None
    ) -> None:
        initial = registered("hardshrink", lam=lam)
        super().__init__(initial, trainable=trainable, device=device, dtype=dtype)


class HeLU(Elementwise, family="helu"):
    """ReLU forward; backward it passes where x > -alpha, so that units just below zero keep learning.

    alpha: back-propagation passes where x > -alpha.
    """

    def __init__(
        self, alpha: float = 0.05, *, trainable: Trainable = None, device: Device = None, dtype: Dtype = None
    ) -> None:
        initial = registered("helu", alpha=alpha)
        super().__init__(initial, trainable=trainable, device=device, dtype=dtype)


class LeakyReLU(Elementwise, family="leaky_relu"):
    """ReLU with a small fixed slope on the negative side.

    a: slope for x < 0.
    """

    def __init__(
        self,
        a: float = 0.01,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("leaky_relu", a=a)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Monomial(Elementwise, family="monomial"):
    """A pure power of x.

    p: integer power.
    """

    def __init__(self, p: int = 2, *, trainable: Trainable = None, device: Device = None, dtype: Dtype = None) -> None:
        initial = registered("monomial", p=p)
        super().__init__(initial, trainable=trainable, device=device, dtype=dtype)


class MRePU(Elementwise, family="mrepu"):
    """RePU repaired: it crosses the origin with slope shift**p, so a critical point exists at K* = 0.

    p: power of the rectified factor.
    shift: distance of the kink from the origin.
    """

    def __init__(
        self,
        p: float = 2.0,
        shift: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("mrepu", p=p, shift=shift)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class PReLU(Elementwise, family="prelu"):
    """ReLU whose slope on the negative side is learned, one a layer or one a channel.

    a: learned slope for x < 0.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        a: float = 0.25,
        *,
        trainable: Trainable = None,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("prelu", a=a)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class RePU(Elementwise, family="repu"):
    """Rectified power unit: smooth to order p - 1, but without a critical point for p > 1.

    p: power of the rectifier; 1 is ReLU.
    """

    def __init__(
        self,
        p: float = 2.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("repu", p=p)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class RESCUEpanechnikov(Elementwise, family="rescu_epanechnikov"):
    """ReLU smoothed by a parabola: a quartic joins the two lines.

    beta: half-width of the kernel.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("rescu_epanechnikov", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class RESCUGaussian(Elementwise, family="rescu_gaussian"):
    """ReLU smoothed by a normal density: the mean of relu(x + beta z).

    beta: standard deviation of the kernel.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("rescu_gaussian", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class RESCUTriangle(Elementwise, family="rescu_triangle"):
    """ReLU smoothed by a triangle: a cubic spline with a continuous curvature.

    beta: half-width of the kernel.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("rescu_triangle", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Sin(Elementwise, family="sin"):
    """Sine; critical at K* = 0, its susceptibilities vanish as exp(-2K).

    omega: angular frequency.
    """

    def __init__(
        self,
        omega: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("sin", omega=omega)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class SmeLU(Elementwise, family="smelu"):
    """ReLU smoothed by a box: two lines joined by a parabola.

    beta: half-width of the parabola.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("smelu", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Snake(Elementwise, family="snake"):
    """The identity with a ripple, made to learn periodic functions.

    a: half the angular frequency of the ripple.
    """

    def __init__(
        self,
        a: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("snake", a=a)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Softplus(Elementwise, family="softplus"):
    """ReLU smoothed by a logistic density.

    beta: sharpness; infinity is ReLU.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("softplus", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Softshrink(Elementwise, family="softshrink"):
    """Soft thresholding: moves x toward 0 by lambda.

    lam: threshold lambda.
    """

    def __init__(
        self,
        lam: float = 0.5,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("softshrink", lam=lam)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Squareplus(Elementwise, family="squareplus"):
    """A softplus made of a square root alone.

    b: size of the rounded region; 0 is ReLU.
    """

    def __init__(
        self,
        b: float = 4.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("squareplus", b=b)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)


class Swish(Elementwise, family="swish"):
    """x times a logistic gate, the winner of the activation search; silu is beta = 1.

    beta: steepness of the gate; 0 is x/2, infinity is ReLU.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        trainable: Trainable = None,
        num_parameters: int = 1,
        device: Device = None,
        dtype: Dtype = None,
    ) -> None:
        initial = registered("swish", beta=beta)
        super().__init__(initial, trainable=trainable, num_parameters=num_parameters, device=device, dtype=dtype)
