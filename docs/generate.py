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
from kxmsg.model.envelope import MAX_PAYLOAD
from kxmsg.model.notification import LOCALIZED
from kxmsg.rendering.reference import reference
from kxmsg.settings import Settings
from kxmsg.subscriptions.examples import NO_MATCH, NOTHING
from kxmsg.subscriptions.fields import FIELDS, NARROWING, Field
from kxmsg.subscriptions.limits import MAX_RENDERED
from kxmsg.subscriptions.problems import CODES
from kxmsg.subscriptions.schema import schema
from kxmsg.subscriptions.windows import MAX_ITEMS, SUMMARY, SUMMARY_NAMES
from kxmsg.topology import TOPOLOGY
from kxmsg.wording import types

FOLDER: Final = Path(__file__).parent / "reference"

MARK: Final = "<!-- Made by docs/generate.py; change the code, not this page. -->"

OPERATORS: Final = {
    "exactly": '[{"exactly": "open"}]',
    "prefix": '[{"prefix": "ord-"}, {"prefix": {"equals-ignore-case": "ORD-"}}]',
    "suffix": '[{"suffix": ".png"}]',
    "equals-ignore-case": '[{"equals-ignore-case": "OPEN"}]',
    "wildcard": '[{"wildcard": "eu-*-1"}]',
    "anything-but": '[{"anything-but": ["low", "none"]}, {"anything-but": {"prefix": "test-"}}]',
    "numeric": '[{"numeric": [">", 0, "<=", 5]}]',
    "cidr": '[{"cidr": "10.0.0.0/24"}]',
    "exists": '[{"exists": false}]',
}
"""An example of each operator of patterns; the schema says what they mean."""


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
    """The language of subscriptions."""
    definitions = schema()["definitions"]
    keys, asked = definitions["subscription"]["properties"], definitions["values"]["items"]["anyOf"][1]["properties"]
    if set(OPERATORS) != set(asked):
        raise SystemExit(f"docs/generate.py: give an example of these operators: {set(OPERATORS) ^ set(asked)}")
    yield "# Subscriptions\n"
    yield (
        "Files `*.yaml` and `*.yml` in the folder that `KXMSG_CONFIG` names, and below it. `kxmsg check` compiles "
        "them, `kxmsg schema` prints their JSON Schema for editors; [mistakes](mistakes.md) are told by place and "
        "code. A file has `eventSubscriptions`, a list. Each has:\n"
    )
    yield from _table(["key", "what"], ([f"`{key}`", one["description"]] for key, one in keys.items()))
    yield "## Patterns\n"
    yield (
        "The event patterns of EventBridge, all of them. A map of fields, nested or with dots, each with a list of "
        "what fits; all fields must fit, one entry of each list suffices. A list in the event fits where one of its "
        "elements does; the fields asked of a list of maps must fit in one and the same map. Values are texts, "
        "numbers (`3` is `3.0`), `true`, `false` and `null`, or a comparison; `$or` in place of a field takes a list "
        "of maps of which one must fit.\n"
    )
    yield from _table(
        ["operator", "as in", "the field"],
        ([f"`{name}`", f"`{shown}`", asked[name]["description"]] for name, shown in OPERATORS.items()),
    )
    yield "## Templates\n"
    yield (
        "Every value may be literal or computed: `{{ }}` in a text holds an [expression](expressions.md), and a text "
        "that is one expression alone keeps the type of its value. A field may also be a map with the one key "
        "`cases`, a list of `{when: expression, use: value}`, of which the first that is true is taken, the last "
        "being `{default: value}`. Spans of time are numbers of seconds or texts as `90s`, `15m`, `1h30m`, `30d`.\n"
    )
    yield from _table(
        ["field", "type", "only for", "what"],
        ([f"`{one.name}`", _type(one), _only_for(one), _meaning(one)] for one in FIELDS.values()),
    )
    yield (
        "**Null.** A field that comes to null is left out, and `tenantId` falls back to its default. The id that a "
        f"target type needs, `content`, {_either(sorted(NARROWING), ', ')} must not be null, nor `content` empty: such "
        "an event is dead-lettered, since a missing list of readers must not become everybody. `[]` is nobody. Where "
        "they are `cases`, these end with a default. `*`, under which is kept what is for everybody, is no tenant.\n"
    )
    yield (
        f"**Size.** An entry has at most {MAX_PAYLOAD:,} bytes as JSON, and all that a template makes of one event "
        f"{MAX_RENDERED:,}; what is larger is dead-lettered.\n"
    )
    yield "`when`, a bare expression as `detail.total > 0`: where it is false, nothing is made.\n"
    yield (
        f"**Locales.** {_either(LOCALIZED, ', ')} may be a map of texts by locale, `{{en: …, de: …}}`. A reader gets "
        f"that of "
        "their locale, or of its language, or else that of `KXMSG_LOCALE`, or else the first.\n"
    )
    yield (
        "**`digest`** `{every: span, by: value, …}`: what is made for one log, and one value of `by`, is kept for the "
        "span from the first on, and then becomes one entry. Its other keys, "
        f"{_either(sorted(SUMMARY), ', ')}, say that entry's fields, in terms of {_either(SUMMARY_NAMES, ', ')}: the "
        f"fields of the entries, of which the first {MAX_ITEMS} are kept, how many there were, the outermost two. "
        f"What is "
        "not said anew is as in the last.\n"
    )
    yield (
        "**`throttle`** `{per: span, atMost: number, by: value}`: of what is made for one log, and one value of `by`, "
        "no more than `atMost` (1 unless given) in the span from the first on; the rest is dropped. With both, the "
        "throttle comes first: the digest sums up what it let through.\n"
    )
    yield "## Tests\n"
    yield (
        "Run by `kxmsg test`. Each has a `name`, an `event`, which is laid over the sample of its detail-type key by "
        "key, "
        f"and what to `expect`: `{NO_MATCH}`, or a map of the detail-type to the fields that must come (others may), "
        f"`{NOTHING}` where `when` must be false; a list of those where the mapping is a list, notifications first.\n"
    )


def expressions() -> Iterator[str]:
    """The language between the braces."""
    yield reference()


def mistakes() -> Iterator[str]:
    """The codes of what may be wrong with a file."""
    yield "# Mistakes in subscriptions\n"
    yield "All are told at once, each in a line `file:line:column: error[code]: what is wrong; what would be right`.\n"
    yield from _table(["code", "meaning"], ([f"`{code}`", meaning] for code, meaning in CODES.items()))


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
    "mistakes.md": mistakes,
    "expressions.md": expressions,
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


def _type(field: Field) -> str:
    if field.seconds:
        return "span"
    kinds = types(field.kinds)
    return f"{kinds}, or by locale" if field.localized else kinds


def _only_for(field: Field) -> str:
    return f"`{field.only}`" if field.only else "-"


def _meaning(field: Field) -> str:
    return f"{field.meaning} {_either(field.choices, ', ')}." if field.choices else field.meaning


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
