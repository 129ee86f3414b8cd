"""What the Tables port asks, as DynamoDB requests: expressions, keys, cursors. Pure.

Every name and value stands behind a placeholder: DynamoDB reserves 573 words ("Reserved words in DynamoDB"), and no
text of a caller may become syntax.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from kxmsg.aws.marshal import Attribute, marshal, marshal_item
from kxmsg.errors import InvalidInput, Permanent
from kxmsg.ports import Check, Condition, Delete, Item, Key, Put, Query, TransactItem, Update

Request: TypeAlias = dict[str, Any]

PK_BYTES: Final = 2048
SK_BYTES: Final = 1024


class _Placeholders:
    """The names and values of one request's expressions."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._names: dict[str, str] = {}
        self._values: dict[str, Attribute] = {}

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#n{len(self._names)}")

    def names(self, attributes: Iterable[str]) -> str:
        return ", ".join(map(self.name, attributes))

    def value(self, value: Any) -> str:
        placeholder = f":v{len(self._values)}"
        try:
            self._values[placeholder] = marshal(value)
        except ValueError as error:
            raise Permanent(f"{self._table}: a value can't be stored: {error}") from error
        return placeholder

    def added_to(self, request: Request) -> Request:
        """DynamoDB takes neither member empty."""
        if self._names:
            request["ExpressionAttributeNames"] = {alias: name for name, alias in self._names.items()}
        if self._values:
            request["ExpressionAttributeValues"] = self._values
        return request


# --------------------------------------------------------------------------------------------------- writes


def write_request(table_name: str, item: TransactItem) -> tuple[str, Request]:
    """``("Put", request)``: a member of ``TransactWriteItems`` and, with ``Item`` after its name, an operation.

    Where the condition fails, the item that stands there comes with the error. Raises Permanent on a bad key or value.
    """
    placeholders = _Placeholders(item.table)
    request: Request = {"TableName": table_name}
    match item:
        case Put():
            kind = "Put"
            request["Item"] = put_item(item)
        case Update():
            kind = "Update"
            request["Key"] = key_attributes(item.table, item.key)
            if expression := _update(placeholders, item):
                request["UpdateExpression"] = expression
        case Delete():
            kind = "Delete"
            request["Key"] = key_attributes(item.table, item.key)
        case Check():
            kind = "ConditionCheck"
            request["Key"] = key_attributes(item.table, item.key)
    if item.condition is not None and (expression := _condition(placeholders, item.condition)):
        request["ConditionExpression"] = expression
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return kind, placeholders.added_to(request)


def put_item(put: Put) -> dict[str, Attribute]:
    """The item's attributes. Raises Permanent on a bad key or value."""
    check_key(put.table, Key(put.item.get("pk"), put.item.get("sk")))  # type: ignore[arg-type] # no text is refused
    try:
        return marshal_item(put.item)
    except ValueError as error:
        raise Permanent(f"{put.table}: item can't be stored: {error}") from error


def key_attributes(table: str, key: Key) -> dict[str, Attribute]:
    """The key's attributes. Raises Permanent on a bad key."""
    check_key(table, key)
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def check_key(table: str, key: Key) -> None:
    """Raises Permanent on a key that DynamoDB would refuse: empty, too long, or not text."""
    _check_key_text(table, "pk", key.pk, PK_BYTES)
    _check_key_text(table, "sk", key.sk, SK_BYTES)


def _check_key_text(table: str, name: str, value: Any, limit: int) -> None:
    if not isinstance(value, str):
        raise Permanent(f"{table}: {name} must be text")
    if not value:
        raise Permanent(f"{table}: {name} is empty, which DynamoDB refuses in a key")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise Permanent(f"{table}: {name} has half a surrogate pair") from error
    if size > limit:
        raise Permanent(f"{table}: {name} is longer than {limit} bytes")


def _update(placeholders: _Placeholders, update: Update) -> str:
    attributes = [*update.set, *update.add, *update.remove]
    if len(set(attributes)) < len(attributes):
        raise Permanent(f"{update.table}: an update names an attribute twice")
    name, value = placeholders.name, placeholders.value
    clauses = (
        ("SET", [f"{name(attribute)} = {value(new)}" for attribute, new in update.set.items()]),
        ("ADD", [f"{name(attribute)} {value(amount)}" for attribute, amount in update.add.items()]),
        ("REMOVE", [name(attribute) for attribute in update.remove]),
    )
    return " ".join(f"{keyword} {', '.join(actions)}" for keyword, actions in clauses if actions)


def _condition(placeholders: _Placeholders, condition: Condition) -> str:
    """Comparisons are false on an absent attribute and between types, so ``differs`` negates one.

    "Comparison operator and function reference" in the Developer Guide.
    """
    name, value = placeholders.name, placeholders.value
    terms: list[str] = []
    if condition.exists is not None:
        terms.append(f"{'attribute_exists' if condition.exists else 'attribute_not_exists'}({name('pk')})")
    for attribute, expected in condition.equals.items():
        if expected is None:
            terms.append(f"attribute_not_exists({name(attribute)})")
        else:
            terms.append(f"{name(attribute)} = {value(expected)}")
    for attribute, excluded in condition.differs.items():
        if excluded is None:
            terms.append(f"attribute_exists({name(attribute)})")
        else:
            terms.append(f"(NOT {name(attribute)} = {value(excluded)})")
    terms += [f"{name(attribute)} < {value(bound)}" for attribute, bound in condition.less.items()]
    terms += [f"{name(attribute)} >= {value(bound)}" for attribute, bound in condition.at_least.items()]
    return " AND ".join(terms)


# -------------------------------------------------------------------------------------------------- queries


def query_request(table: str, table_name: str, query: Query) -> Request:
    """One page of ``query``. Raises Permanent for a query that DynamoDB would refuse, InvalidInput for its cursor."""
    _check_query(table, query)
    placeholders = _Placeholders(table)
    request: Request = {"TableName": table_name, "KeyConditionExpression": _key_condition(placeholders, query)}
    if query.index is not None:
        request["IndexName"] = query.index
    if query.fields is not None:
        request["ProjectionExpression"] = placeholders.names(dict.fromkeys(("pk", "sk", *query.fields)))
    if query.consistent:
        request["ConsistentRead"] = True
    if query.reverse:
        request["ScanIndexForward"] = False
    if query.limit is not None:
        request["Limit"] = query.limit
    if query.cursor is not None:
        request["ExclusiveStartKey"] = _start_key(query)
    return placeholders.added_to(request)


def selects_nothing(query: Query) -> bool:
    """Whether the range ends before it begins, which DynamoDB refuses. Both order text by its UTF-8 bytes."""
    return query.first is not None and query.last is not None and query.first > query.last


def cursor_of(query: Query, last: Item) -> str:
    """Where a page ended: the partition, then the position of ``last``, its LastEvaluatedKey."""
    return urlsafe_b64encode(orjson.dumps([query.pk, *(last[name] for name in _position_names(query))])).decode()


def _start_key(query: Query) -> Mapping[str, Attribute]:
    """The position that the query's cursor names; raises InvalidInput."""
    names = _position_names(query)
    try:
        partition, *position = orjson.loads(urlsafe_b64decode(query.cursor or ""))
    except (ValueError, TypeError) as error:
        raise InvalidInput("the cursor is malformed") from error
    if partition != query.pk or len(position) != len(names) or not all(part and type(part) is str for part in position):
        raise InvalidInput("the cursor belongs to another query")
    partition_name, _ = _key_names(query)
    return {name: {"S": text} for name, text in zip((partition_name, *names), (partition, *position), strict=True)}


def _check_query(table: str, query: Query) -> None:
    if query.index is not None and query.consistent:
        raise Permanent(f"{table}: index {query.index!r} can't be read consistently")
    if query.begins is not None and (query.first is not None or query.last is not None):
        raise Permanent(f"{table}: a query has begins or first/last, not both")
    if query.limit is not None and query.limit < 1:
        raise Permanent(f"{table}: a query's limit is at least 1")
    _check_key_text(table, "pk", query.pk, PK_BYTES)
    for name, bound in (("begins", query.begins), ("first", query.first), ("last", query.last)):
        if bound is not None:
            _check_key_text(table, name, bound, SK_BYTES)


def _key_condition(placeholders: _Placeholders, query: Query) -> str:
    """DynamoDB refuses a name that no expression uses, so the sort key's is made where it is."""
    partition, sort = _key_names(query)
    name, value = placeholders.name, placeholders.value
    condition = f"{name(partition)} = {value(query.pk)}"
    if query.begins is not None:
        return f"{condition} AND begins_with({name(sort)}, {value(query.begins)})"
    if query.first is not None and query.last is not None:
        return f"{condition} AND {name(sort)} BETWEEN {value(query.first)} AND {value(query.last)}"
    if query.first is not None:
        return f"{condition} AND {name(sort)} >= {value(query.first)}"
    if query.last is not None:
        return f"{condition} AND {name(sort)} <= {value(query.last)}"
    return condition


def _key_names(query: Query) -> tuple[str, str]:
    return ("pk", "sk") if query.index is None else (f"{query.index}pk", f"{query.index}sk")


def _position_names(query: Query) -> tuple[str, ...]:
    """What, beside the partition, is in a LastEvaluatedKey."""
    return ("sk",) if query.index is None else (f"{query.index}sk", "pk", "sk")
