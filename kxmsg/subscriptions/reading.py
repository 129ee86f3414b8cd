"""Reading: nodes as the maps and lists that the language wants, with what is wrong told."""

from kxmsg.subscriptions.nodes import Fields, Node
from kxmsg.subscriptions.problems import Problems
from kxmsg.suggest import did_you_mean
from kxmsg.wording import shown, type_of


def map_of(node: Node, what: str, problems: Problems) -> Fields:
    """The keys and values of a map; nothing where it is none."""
    if isinstance(node.value, dict):
        return node.value
    problems.add(node.at, "shape", f"{what} must be a map, not {_kind(node)}; write 'key: value' lines")
    return {}


def fields_of(node: Node, what: str, known: frozenset[str], problems: Problems) -> Fields:
    """As :func:`map_of`, of known keys alone."""
    fields = map_of(node, what, problems)
    for name, (key, _) in fields.items():
        if name not in known:
            problems.add(key.at, "unknown-key", f"{what} has no {name!r}{did_you_mean(name, known)}")
    return {name: entry for name, entry in fields.items() if name in known}


def list_of(node: Node, what: str, problems: Problems) -> list[Node]:
    """The elements of a list; nothing where it is none."""
    if isinstance(node.value, list):
        return node.value
    problems.add(node.at, "shape", f"{what} must be a list; begin each element with '- '")
    return []


def text_of(node: Node, what: str, problems: Problems) -> str | None:
    """A text that is not empty; None where it is none."""
    if isinstance(node.value, str) and node.value:
        return node.value
    problems.add(node.at, "value", f"{what} must be text, not {shown(node.plain)}; quote it")
    return None


def _kind(node: Node) -> str:
    return "empty" if node.value is None else type_of(node.plain)
