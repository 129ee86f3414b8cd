"""Values: as YAML writes them, to be read. Pure."""

from typing import Any, Final

import yaml


class _Dumper(yaml.SafeDumper):
    """Texts of several lines are written as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)

_OPTIONS: Final[dict[str, Any]] = {
    "Dumper": _Dumper,
    "allow_unicode": True,
    "width": float("inf"),
}


def in_lines(value: Any, *, sort: bool = False) -> list[str]:
    """In as many lines as it has parts; ``sort`` orders keys by name."""
    return str(yaml.dump(value, sort_keys=sort, **_OPTIONS)).splitlines()


def in_one_line(value: Any) -> str:
    """In one line, keys by name, which tells ``7`` from ``'7'`` and shows a text's line ends as ``\n``."""
    return str(yaml.dump([value], default_flow_style=True, **_OPTIONS))[1:-2]
