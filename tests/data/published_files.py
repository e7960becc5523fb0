"""What the test server serves, and how."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Server:
    """Files by path, and how it behaves.

    cut: per path, after how many bytes of each answer the connection is cut, one entry an answer. ranges: whether it
    honours Range. requests: (path, Range header) as they came.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)
