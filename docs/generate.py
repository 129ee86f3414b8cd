"""Makes the pages of ``docs/reference/`` that code already says: run it after changing what they show.

::

    python docs/generate.py           # write them
    python docs/generate.py --check   # exit status 1, naming the pages that are out of date
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from kxmsg import errors, policy, telemetry
from kxmsg.cli.main import app
from kxmsg.errors import Refusal
from kxmsg.model.target import TARGET_TYPES
from kxmsg.rendering.template import ROOTS
from kxmsg.settings import Settings
from kxmsg.subscriptions import template
from kxmsg.topology import TOPOLOGY

FOLDER: Final = Path(__file__).parent / "reference"

MARK: Final = "<!-- Made by docs/generate.py; change the code, not this page. -->"

FIELDS: Final = {
    "targetType": f"For whom: {', '.join(f'`{kind}`' for kind in TARGET_TYPES)}. Always literal.",
    "userId": "The user, for `targetType: user`.",
    "clientId": "The client, for `targetType: client`; a client is a tenant.",
    "channelId": "The channel, for `targetType: channel`; it must exist.",
    "tenantId": "Whose user or channel it is; default: the detail's `tenantId`, its `clientId`, the default tenant.",
    "targetUserIds": "Some users of the client, each of whom gets an entry of their own, in place of the client's.",
    "targetClientIds": "Some clients, each of which gets an entry of its own, in place of the broadcast.",
    "title": "One line.",
    "content": "The text; always needed.",
    "priority": ", ".join(f"`{name}`" for name in template.PRIORITIES) + ".",
    "icon": "For the reader's display, as they are: nothing in kxmsg looks at them.",
    "category": "As `icon`.",
    "actionUrl": "As `icon`.",
    "tags": "As `icon`.",
    "displayDuration": "As `icon`; 0 means that it stays.",
    "sound": "As `icon`.",
    "metadata": "A map of anything.",
    "senderId": "Who says it, in a message.",
    "messageType": ", ".join(f"`{name}`" for name in template.MESSAGE_TYPES) + ".",
    "ttl": "Seconds from the event's time for which the entry is kept; default: the setting of its kind.",
    "when": "A bare expression, as `detail.total > 0`; where it is false, nothing is made.",
    "deliverAfter": "Seconds from the event's time after which it enters the path.",
}
"""What each field of a template is for."""

_PLAIN: Final = {"str": "text", "int": "number", "float": "number", "list": "list", "dict": "map"}


def settings() -> Iterator[str]:
    """Every setting."""
    yield "# Settings\n"
    yield "From the environment alone; `kxmsg settings` shows those in force. Lists are comma-separated.\n"
    yield from _table(
        ["variable", "default", "meaning"],
        ([f"`{_variable(name, field)}`", _default(field), field.description] for name, field in _fields(Settings)),
    )


def topology() -> Iterator[str]:
    """Queues, topics, tables, workers."""
    yield "# Queues, topics, tables, workers\n"
    yield "Declared once, in `kxmsg/topology.py`. A name ending in `.fifo` keeps the order of each group.\n"
    yield "## Queues\n"
    yield from _table(
        ["queue", "dead-letter queue", "receives at most", "served by"],
        ([f"`{queue.name}`", f"`{queue.dlq}`", queue.max_receives, _servers(queue.name)] for queue in TOPOLOGY.queues),
    )
    yield "## Topics\n"
    yield from _table(
        ["topic", "subscribed queue", "filter"],
        (
            [f"`{one.topic}`", f"`{one.queue}`", "; ".join(f"`{k}` is {_either(v)}" for k, v in one.filter.items())]
            for topic in TOPOLOGY.topics
            for one in TOPOLOGY.subscribers(topic.name)
        ),
    )
    yield "## Tables\n"
    yield "Each has the keys `pk` and `sk` and expires items by `expiresAt`. A transaction stays within one group.\n"
    yield from _table(
        ["table", "group", "indexes"],
        ([f"`{one.name}`", f"`{one.group}`", _either(one.indexes)] for one in TOPOLOGY.tables),
    )
    yield "## Workers\n"
    yield from _table(
        ["worker", "module", "queues"],
        ([f"`{one.name}`", f"`{one.module}`", _either(one.queues, ", ")] for one in TOPOLOGY.workers),
    )


def roles() -> Iterator[str]:
    """The policy table."""
    yield "# Roles and actions\n"
    yield (
        "What each role may do; what is not in the table is denied. *participant*: who takes part in the channel. "
        "*owner*: who owns or administers it. *own*: where what it is done to is the caller's. No role reaches into "
        "another tenant. "
        + " ".join(f"`{alias}` is another name of `{role}`." for alias, role in policy.ALIASES.items())
        + " The table is the whole plan: [REST routes](rest.md) and [frames](websocket.md) tell which actions there are"
        " by now.\n"
    )
    yield from _table(
        ["action", "meaning", *policy.ROLES],
        (
            [
                f"`{row.action}`",
                row.meaning,
                *("-" if row.cells[role] == "no" else row.cells[role] for role in policy.ROLES),
            ]
            for row in policy.table()
        ),
    )


def cli() -> Iterator[str]:
    """Every command."""
    yield "# Commands\n"
    yield (
        "Exit status: 0 done, 1 failed, 2 the YAML, a setting or the command line is wrong, 3 something is missing or "
        "can't be reached, 130 interrupted. What is wrong is said on standard error.\n"
    )
    yield from _commands("kxmsg", typer.main.get_command(app))


def metrics() -> Iterator[str]:
    """Every metric."""
    yield "# Metrics\n"
    yield (
        "Of each process; [how to read them](../how-to/observe.md). Histograms count seconds. In Prometheus a counter "
        "ends in `_total`, in EMF it does not.\n"
    )
    yield from _table(
        ["metric", "kind", "labels", "meaning"],
        ([f"`{one.name}`", one.type, labels, one.documentation] for one, labels in _metrics()),
    )


def subscriptions() -> Iterator[str]:
    """The fields of a template."""
    if set(FIELDS) != template.FIELDS:
        raise SystemExit(f"docs/generate.py: say what these fields are for: {set(FIELDS) ^ template.FIELDS}")
    yield "# Fields of a subscription\n"
    yield "A file has `eventSubscriptions`, a list. Each has:\n"
    yield from _table(
        ["field", "what"],
        [
            ["`name`", "Unique in the folder; ids of what is made rest on it."],
            ["`eventPattern`", "A map of fields to lists of values; all fields must fit, one value of each suffices."],
            ["`sample`", "An event, or the path of a JSON file that holds one."],
            ["`notificationMapping`", "Detail-type → a template, or a list of templates, that make notifications."],
            ["`messageMapping`", "The same, that make messages."],
        ],
    )
    yield "## Patterns\n"
    yield (
        "Values are text, numbers, `true`, `false`, `null`; a number equals a number, `1` is not `true`. Fields may be "
        "nested; an array in the event has the values of its elements. `detailType` is another name of `detail-type`.\n"
    )
    yield "## Templates\n"
    yield (
        "In a text, `{{ path }}` is replaced by what the event has there; a text that is one placeholder alone keeps "
        f"the type of what it finds. Paths begin with one of {_either(sorted(ROOTS), ', ')}. An event without that "
        "path is dead-lettered.\n"
    )
    yield from _table(
        ["field", "type", "only for", "what"],
        ([f"`{name}`", _type(name), _only_for(name), meaning] for name, meaning in FIELDS.items()),
    )


def error_tree() -> Iterator[str]:
    """The exceptions, as their module draws them, and the codes of refusals."""
    yield "# Errors\n"
    yield "All are of one tree, in `kxmsg.errors`.\n"
    drawing = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2]
    yield f"```\n{inspect.cleandoc(drawing)}\n```\n"
    yield "What a refusal answers, unless it has a code of its own:\n"
    yield from _table(
        ["error", "status", "code"], ([f"`{one.__name__}`", one.status, f"`{one.code}`"] for one in _refusals())
    )


PAGES: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "settings.md": settings,
    "topology.md": topology,
    "roles.md": roles,
    "cli.md": cli,
    "metrics.md": metrics,
    "subscriptions.md": subscriptions,
    "errors.md": error_tree,
}


def page(name: str) -> str:
    """The text of a page."""
    return "\n".join([MARK, "", *PAGES[name]()]).rstrip() + "\n"


def stale() -> list[str]:
    """The pages that differ from what the code says."""
    return [name for name in PAGES if not (FOLDER / name).exists() or (FOLDER / name).read_text() != page(name)]


def main(arguments: Sequence[str]) -> int:
    """Write the pages or, with ``--check``, tell which are out of date."""
    found = stale()
    if "--check" in arguments:
        for name in found:
            sys.stderr.write(f"docs/reference/{name} is out of date: python docs/generate.py\n")
        return 1 if found else 0
    for name in found:
        (FOLDER / name).write_text(page(name))
    return 0


# ------------------------------------------------------------------------------------------------------ parts


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Sequence[Any]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _either(names: Iterable[str], between: str = " or ") -> str:
    return between.join(f"`{name}`" for name in names) or "-"


def _fields(model: type[Settings]) -> Iterable[tuple[str, FieldInfo]]:
    return model.model_fields.items()


def _variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or f"KXMSG_{name.upper()}")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, list):
        value = ",".join(value)
    return "-" if value in (None, "") else f"`{value}`"


def _servers(queue: str) -> str:
    return _either(worker.name for worker in TOPOLOGY.workers if queue in worker.queues)


def _metrics() -> Iterator[tuple[Any, str]]:
    for one in vars(telemetry).values():
        if isinstance(one, MetricWrapperBase):
            labels = one._labelnames  # noqa: SLF001 - told nowhere else before there is a sample
            yield from ((described, _either(labels, ", ")) for described in one.describe())


def _type(name: str) -> str:
    kinds = template._TYPES.get(name, (str,))  # noqa: SLF001 - its check tells only one at a time
    return " or ".join(dict.fromkeys(_PLAIN[kind.__name__] for kind in kinds))


def _only_for(name: str) -> str:
    named = [kind for kind in TARGET_TYPES if template.REQUIRED.get(kind) == name]
    fitting = named or [kind for kind in TARGET_TYPES if template.misplaced(name, kind) is None]
    return f"`{fitting[0]}`" if len(fitting) == 1 else "-"


def _refusals() -> list[type[Refusal]]:
    return sorted(Refusal.__subclasses__(), key=lambda kind: kind.status)


def _commands(path: str, command: Any) -> Iterator[str]:
    for name, child in command.commands.items():
        full = f"{path} {name}"
        if hasattr(child, "commands"):
            yield from _commands(full, child)
            continue
        yield f"## `{full}`\n"
        yield re.sub(r"\s+", " ", child.help or "").strip() + "\n"
        parameters = [one for one in child.params if one.name != "help"]
        if parameters:
            yield from _table(
                ["parameter", "default", "meaning"],
                ([_parameter(one), _preset(one), one.help or ""] for one in parameters),
            )


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name).upper()}`"
    return f"`{parameter.opts[0]}`"


def _preset(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    default = parameter.default
    return "-" if default in (None, False, ()) or callable(default) else f"`{default}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
