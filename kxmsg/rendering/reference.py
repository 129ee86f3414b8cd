"""The reference of the language, in Markdown, made from the table of functions and the limits that hold."""

from typing import Any, Final

import orjson

from kxmsg.rendering.compiler import compile_expression
from kxmsg.rendering.conversions import to_string
from kxmsg.rendering.functions import FUNCTIONS, Function
from kxmsg.rendering.locales import LOCALE_COST
from kxmsg.rendering.operators import MAX_DEPTH, MAX_OUTPUT, STEP, WORK
from kxmsg.rendering.parser import MAX_HEIGHT, MAX_LENGTH, MAX_LOOPS, MAX_NESTING
from kxmsg.rendering.template import MAX_CASES, MAX_PLACEHOLDERS, MAX_TEXT, ROOTS

_LANGUAGE: Final = r"""# Expressions

Between `{{` and `}}` a text of a mapping holds an expression of the
[Common Expression Language](https://github.com/google/cel-spec) (CEL), of which kxmsg takes the subset below.

```
title: "{{ detail.severity.upperAscii() }} incident"
targetUserIds: "{{ detail.severity == 'critical' ? detail.oncall + detail.managers : detail.team }}"
```

- A text with more than one expression, or with anything beside it, is put together. Strings stand in it as they are,
  numbers and bools as CEL's `string()` writes them, lists and maps as JSON, timestamps as RFC 3339, durations in
  seconds. Null and what is absent have no text: the event is refused, naming the field. `coalesce(…, '')` says what
  to take instead.
- A text that is one expression alone keeps the type of its value.
- `{{ '{{' }}` gives the two braces themselves.
- `when` takes an expression without braces, which must give a bool.

## Operators

From the loosest to the tightest; those of one line are taken from the left.

| operators | |
|---|---|
| `a ? b : c` | |
| `a \|\| b` | true if either is, even if the other is a fault |
| `a && b` | false if either is, even if the other is a fault |
| `<` `<=` `>` `>=` `==` `!=` `in` | `in` looks for an element of a list or a key of a map |
| `+` `-` | numbers; `+` joins strings and lists; timestamps and durations |
| `*` `/` `%` | `/` between ints drops the fraction |
| `!a` `-a` | |
| `a.name` `a['my-name']` `a[0]` `f(a)` | ``a.`my-name` `` as well |

Literals: `12`, `0x1F`, `1.5`, `1e3`, `'text'` or `"text"`, `'''several lines'''`, `r'no \ escapes'`, `true`,
`false`, `null`, `[1, 2]`, `{'key': 'value'}`. The escapes of a string are CEL's: `\n`, `\'`, `\\`, `\x41`, `\u00e9`,
`\U0001f431`, `\101` and so on.

## Loops

`x`, `i`, `k` and `v` are names of your choice. Of a map, one variable takes the keys.

| loop | gives |
|---|---|
| `list.map(x, …)` | the list of the results |
| `list.map(x, test, …)` | the same, of those elements for which the test is true |
| `list.filter(x, …)` | the elements for which it is true |
| `list.all(x, …)` | whether it is true for all |
| `list.exists(x, …)` | whether it is true for one or more |
| `list.exists_one(x, …)` | whether it is true for exactly one |
| `list.transformList(i, v, …)` | the list of the results; a test may come before the last argument |
| `map.transformMap(k, v, …)` | the map of the results; likewise |

`all`, `exists` and `exists_one` take two variables as well: position and element, or key and value.

`has(a.b)` is true if the member is there; it is false, too, where a step on the way is absent or null.
"""

_DIFFERENCES: Final = """## Differences from CEL

- JSON has one kind of number: an int and a double may be mixed in arithmetic, and give a double. There are no
  unsigned numbers and no byte strings. Ints and doubles are compared exactly, never rounded first.
- `has()` is false, not a fault, where a step before the last is absent or null.
- Anything may be compared with null. Other comparisons of values that evidently have different types are refused
  when the subscription is compiled, and so is every other evident mistake: there is no unchecked mode.
- `string()` takes lists and maps too, and writes them as JSON. `timestamp()` takes a date alone, too.
- Timestamps and durations count microseconds, not nanoseconds; digits beyond are dropped. Durations reach 292 years.
- `type(timestamp(0))` is `timestamp`, not `google.protobuf.Timestamp`, and that of a duration `duration`.
- Left out: regular expressions (`matches`), `format`, `quote`, messages and enums, names with dots in them.
- Added: `coalesce`, `unique`, `truncate`, `plural` and the functions that write for a locale.
"""


def reference() -> str:
    """The page ``docs/reference/expressions.md``."""
    roots = ", ".join(f"`{name}`" for name in ROOTS)
    head, operators = _LANGUAGE.split("\n## Operators", 1)
    names = (
        f"\n- Names: {roots}.\n"
        "  `detailType` is the event's `detail-type`, `event` the whole event. Any other name with a hyphen is\n"
        "  written `detail['my-name']`.\n"
    )
    return "\n".join([head.rstrip() + names, "## Operators" + operators, *_functions(), _DIFFERENCES, *_limits()])


def _functions() -> list[str]:
    lines = ["## Functions", "", "| function | gives | examples |", "|---|---|---|"]
    lines += [_row(FUNCTIONS[name]) for name in sorted(FUNCTIONS, key=str.lower)]
    return [
        *lines,
        "",
        "A locale is a tag such as `de` or `pt-BR`, `en` unless given; a zone `Europe/Berlin` or `+02:00`.",
        "",
    ]


def _row(function: Function) -> str:
    calls = "<br>".join(f"`{signature}`" for signature in function.signatures)
    examples = "<br>".join(
        f"`{example}` → `{_shown(compile_expression(example)({}))}`" for example in function.examples
    )
    return f"| {_cell(calls)} | {_cell(function.summary)} | {_cell(examples)} |"


def _cell(markdown: str) -> str:
    return markdown.replace("|", r"\|")


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, str | list | dict) else to_string([WORK], value)


def _limits() -> list[str]:
    return [
        "## Limits",
        "",
        f"- An expression has at most {MAX_LENGTH:,} characters, {MAX_NESTING} brackets inside each other,",
        f"  {MAX_HEIGHT} operations on top of each other and {MAX_LOOPS} loops inside each other.",
        f"- A text has at most {MAX_PLACEHOLDERS} placeholders in {MAX_TEXT:,} characters, a field {MAX_CASES} cases.",
        f"- A text that is rendered has at most {MAX_OUTPUT:,} characters, a computed value as many characters and",
        f"  elements, and {MAX_DEPTH} levels.",
        f"- The loops and the functions that build strings and lists share {WORK:,} units of work for each event: a",
        f"  character or an element is one, an operation in a round of a loop is {STEP}, and what writes for a locale",
        f"  there {LOCALE_COST}. An event that would need more is refused.",
        "",
    ]
