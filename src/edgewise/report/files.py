"""Where a report's files are written: `edgewise.files`, under the name by which the report's rooms know it."""

from edgewise.files import slug, write_bytes, write_json, write_text

__all__ = ["slug", "write_bytes", "write_json", "write_text"]
