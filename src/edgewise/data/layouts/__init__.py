"""The formats data sets lie in on disk, one a file; each turns files into arrays or says what is wrong with them."""

from edgewise.data.layouts.cifar_binary import CifarBinary
from edgewise.data.layouts.cifar_python import CifarPython
from edgewise.data.layouts.idx import Idx
from edgewise.data.layouts.layout import Arrays, Layout
from edgewise.data.layouts.stl10 import Stl10
from edgewise.data.layouts.strips import Strips

__all__ = ["Arrays", "CifarBinary", "CifarPython", "Idx", "Layout", "Stl10", "Strips"]
