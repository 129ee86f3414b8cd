"""Hints: what the words and signs of other languages are here."""

from typing import Final

SIGNS: Final = {
    "===": "compare with ==",
    "!==": "compare with !=",
    "=>": "a loop names its variable first, as in list.map(x, x.name)",
    "=": "compare with ==",
    "&": "write &&",
    "|": "'or' is ||; what other languages filter with | is a function, as in detail.name.upperAscii()",
    "??": "write coalesce(a, b)",
    "?.": "write coalesce(a.b, …), or has(a.b) ? … : …",
    "**": "there are no powers; multiply",
    "`": "a quoted name holds letters, digits, '_', '-', '.', '/' and spaces",
}
"""Signs that have no meaning, and what to write."""

WORDS: Final = {
    "and": "write &&",
    "or": "write ||",
    "not": "write ! before what is not to hold, as in !(a in b)",
    "is": "compare with ==",
    "if": "write condition ? value : other",
    "else": "write condition ? value : other",
    "then": "write condition ? value : other",
}
"""Words that stand between operands elsewhere."""

_SIZE: Final = "write size(x)"
_UPPER: Final = "write x.upperAscii()"
_LOWER: Final = "write x.lowerAscii()"
_ABSENT: Final = "write coalesce(a, b) for a value instead of an absent one, has(a.b) for whether it is there"
_NOW: Final = "the time of the event is timestamp(time)"
_NUMBER: Final = "write int(x) or double(x)"

MEMBERS: Final = dict.fromkeys(("length", "size", "count", "len"), _SIZE)
"""Members that a list or a text has elsewhere."""

FUNCTIONS: Final = {
    **dict.fromkeys(("len", "length", "count", "strlen"), _SIZE),
    **dict.fromkeys(("upper", "toUpperCase", "uppercase", "toUpper", "ucase"), _UPPER),
    **dict.fromkeys(("lower", "toLowerCase", "lowercase", "toLower", "lcase"), _LOWER),
    **dict.fromkeys(("now", "today", "Date", "date", "utcnow"), _NOW),
    **dict.fromkeys(("default", "ifNull", "ifnull", "nvl", "isNull", "exists", "defined"), _ABSENT),
    **dict.fromkeys(("parseInt", "Number", "parseFloat", "float", "number"), _NUMBER),
    **dict.fromkeys(("toString", "str", "String"), "write string(x)"),
    **dict.fromkeys(("includes", "has_key"), "write text.contains(part), or element in list"),
    **dict.fromkeys(("slice", "substr"), "write text.substring(start, end)"),
    **dict.fromkeys(("some", "any"), "write list.exists(x, …)"),
    **dict.fromkeys(("every", "forEach"), "write list.all(x, …) or list.map(x, …)"),
    **dict.fromkeys(("toFixed", "round"), "write formatNumber(x, locale, digits)"),
    "strip": "write x.trim()",
    "concat": "write a + b",
    "not": "write !x",
    "matches": "there are no regular expressions; use contains(), startsWith() or endsWith()",
    "format": "put {{ }} into the text",
    "uint": "there are no unsigned numbers; use int()",
    "bytes": "there are no byte strings",
}
"""Functions of CEL that are left out, or of other languages, and what there is instead."""
