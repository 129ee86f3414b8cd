"""Subscriptions compiled from texts, and the mistakes that are found in them."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kxmsg.errors import ConfigError
from kxmsg.rendering import UNKNOWN
from kxmsg.subscriptions import Catalogue, Defaults, Rendered, Subscription, Template, load
from kxmsg.subscriptions.nodes import Node, Unreadable, parse
from kxmsg.subscriptions.problems import Problems

FILE = Path("a.yaml")

HEAD = """\
eventSubscriptions:
  - name: orders
    eventPattern: {source: [shop], detail-type: [shipped, lost]}
"""

GOOD = f"""{HEAD}\
    notificationMapping:
      shipped: {{targetType: user, userId: ana, content: hello}}
"""

EVENT = {"source": "shop", "detail-type": "shipped", "id": "e1", "time": "2026-01-01T00:00:00Z", "detail": {}}


def compiled(folder: Path, **files: str) -> Catalogue:
    """A catalogue of files, each named by its stem."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(textwrap.dedent(text))
    return load(folder)


def problems(folder: Path, **files: str) -> list[str]:
    """The mistakes of files, with their places in the folder."""
    with pytest.raises(ConfigError) as caught:
        compiled(folder, **files)
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


def with_template(fields: str) -> str:
    """A file with one template in one line, which begins at 5:16; its first field, too, at 5:17."""
    return f"{HEAD}    notificationMapping:\n      shipped: {{{fields}}}\n"


def only(catalogue: Catalogue) -> Subscription:
    """The one subscription."""
    (subscription,) = catalogue.subscriptions
    return subscription


def template(folder: Path, fields: str) -> Template:
    """The template of :func:`with_template`."""
    (found,) = only(compiled(folder, a=with_template(fields))).templates["shipped"]
    return found


def made(catalogue: Catalogue, event: Mapping[str, Any], defaults: Defaults | None = None) -> list[Rendered | None]:
    """What a catalogue makes of an event that may lack what every event has."""
    whole = {**EVENT, **event}
    templates = [catalogue.template(hit, whole["detail-type"]) for hit in catalogue.hits(whole)]
    return [one.render(whole, defaults or Defaults()) for one in templates if one]


def read(text: str) -> tuple[Node | None, list[str]]:
    """A file's nodes, None where it is empty or nothing could be made of it, and its mistakes."""
    found = Problems()
    try:
        return parse(FILE, text, found), found.lines()
    except Unreadable:
        return None, found.lines()


def without_unknown(shape: Any) -> Any:
    """A sample's shape with ``?`` where nothing is known."""
    if shape is UNKNOWN:
        return "?"
    if isinstance(shape, dict):
        return {name: without_unknown(value) for name, value in shape.items()}
    return [without_unknown(value) for value in shape] if isinstance(shape, list) else shape
