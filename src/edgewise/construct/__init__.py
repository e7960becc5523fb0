"""Networks of RePU and MRePU units that equal a given polynomial: the approximation theorems as code."""

from edgewise.construct.approximation import approximate
from edgewise.construct.build import polynomial
from edgewise.construct.description import Construction
from edgewise.construct.network import PolynomialNetwork

__all__ = ["Construction", "PolynomialNetwork", "approximate", "polynomial"]
