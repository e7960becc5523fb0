"""The worker's loop: one JSON request a line in, one JSON answer a line out. Runs in the peer's environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(jobs: dict[str, Callable[..., dict[str, Any]]]) -> None:
    answers = os.fdopen(os.dup(1), "w")  # libraries may print: keep the answers' channel to ourselves
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = jobs[request.pop("job")](**request)
        except Exception as problem:  # the peer's failure is a result, told to the benchmark
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
