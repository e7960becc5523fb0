"""The `edgewise` command: one file a command; what they share is in `group` and `terminal`.

Nothing here imports torch before a command runs, so that ``edgewise --help`` stays quick.
"""

from __future__ import annotations

import os

import click

from edgewise import __version__
from edgewise.cli.analyze import analyze
from edgewise.cli.compare import compare
from edgewise.cli.diagnose import diagnose
from edgewise.cli.doctor import doctor
from edgewise.cli.group import CONTEXT, EdgewiseGroup
from edgewise.cli.listing import list_
from edgewise.cli.phase import phase
from edgewise.cli.pinn import pinn
from edgewise.cli.report import report
from edgewise.cli.reproduce import reproduce


@click.group("edgewise", cls=EdgewiseGroup, context_settings=CONTEXT)
@click.version_option(__version__, message="edgewise %(version)s")
def main() -> None:
    """Will a deep network with this activation train, how do I initialise it, and what is the evidence?

    A SPEC is a registered name with arguments, "mrepu(p=2)", or a formula in x, "x*sigmoid(1.5*x)".

    \b
    Start here:
      edgewise report gelu          everything about one activation, as one HTML page (about a minute)
      edgewise analyze "tanh(x)"    the theory alone, in the terminal (about a second)
      edgewise diagnose net:build --batch 64x784    why the model that net.py builds does not train
    """
    # unless told otherwise before torch is imported, its OpenMP threads spin while they wait; on a machine that is busy
    # with something else too, that made training 15 times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


for _command in (list_, analyze, report, compare, diagnose, phase, pinn, reproduce, doctor):
    main.add_command(_command)
