"""Everything that generated code may name: helpers, functions of the table, checks of arguments, types."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kxmsg.rendering import conversions as conversions  # enters its functions in the table
from kxmsg.rendering import getters as getters  # likewise
from kxmsg.rendering import locales as locales  # likewise
from kxmsg.rendering import loops, operators, output
from kxmsg.rendering import strings as strings  # likewise
from kxmsg.rendering.errors import Fault
from kxmsg.rendering.functions import FUNCTIONS, Parameter
from kxmsg.rendering.kinds import BY_CLASS, BY_NAME, kind_of

_HELPERS: Final[tuple[Callable[..., Any], ...]] = (
    *(operators.weigh, operators.compared, operators.member, operators.index, operators.has, operators.dig),
    *(operators.first, operators.coalesce, operators.make_map, operators.truth, operators.both, operators.either),
    *(operators.equal, operators.within, operators.less, operators.at_most, operators.add, operators.subtract),
    *(operators.multiply, operators.divide, operators.modulo, operators.negate),
    *(output.text, output.plain, output.shallow, output.oversize),
    *(loops.items, loops.pairs, loops.every, loops.some, loops.singles, loops.one, len, all, any, type, str),
)


def function_name(name: str) -> str:
    """What generated code calls a function of the table."""
    return f"function_{name}"


def kind_name(name: str) -> str:
    """What generated code calls a type."""
    return f"kind_{name}"


def demand_name(parameter: Parameter) -> str:
    """What generated code calls the check of an argument whose type is not known beforehand."""
    return f"demand_{parameter.accepts.replace('|', '_or_')}"


def _demand(parameter: Parameter) -> Callable[[Any], Any]:
    classes = frozenset(made for made, kind in BY_CLASS.items() if kind in parameter.kinds)
    accepts = parameter.accepts.replace("|", " or ")

    def demand(value: Any) -> Any:
        if type(value) in classes:
            return value
        raise Fault(f"is {kind_of(value).phrase}, where {accepts} is needed")

    return demand


NAMESPACE: Final[Mapping[str, Any]] = {
    "__builtins__": {},
    **{helper.__name__: helper for helper in _HELPERS},
    **{function_name(name): function.run for name, function in FUNCTIONS.items()},
    **{demand_name(parameter): _demand(parameter) for entry in FUNCTIONS.values() for parameter in entry.parameters},
    **{kind_name(name): kind for name, kind in BY_NAME.items()},
}
