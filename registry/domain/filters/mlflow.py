"""MLflow's dialect: ``key operator value`` joined by AND, with MLflow's tolerances, refusals and texts.

The reference is MLflow 3.17.2 on SQLAlchemy. Where it answers a user's mistake with an internal error, this raises
Invalid as for any other mistake; the texts are MLflow's wherever it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.domain.errors import Invalid
from registry.domain.filters.mlflow_clauses import Clause, Group, clauses, identifier
from registry.domain.filters.mlflow_values import list_of_strings, quoted
from registry.domain.filters.mlflow_words import MlflowWordKind, words
from registry.domain.filters.terms import Absent, And, Condition, Key, Operator, Or, Order, Term, Value, costly_pattern

MOST_BYTES = 40_000  # a list of 1,000 run ids, as MLflow's own server takes
MOST_CLAUSES = 100
PROMPT_TAG = "mlflow.prompt.is_prompt"

_TAGS = ("tag", "tags")
_NO_QUOTES = str.maketrans("", "", "`\"'")
_ENTITIES = ("attribute", *_TAGS)
_TAG_OPERATORS = {"=", "!=", "LIKE", "ILIKE"}
_TEXT_OPERATORS = {"=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"}
_NUMBER_OPERATORS = {"=", "!=", "<", "<=", ">", ">="}


@dataclass(frozen=True, slots=True)
class Search:
    """A whole search; prompts are stored as models, and left out unless the filter includes them."""

    where: Term
    order: tuple[Order, ...]
    hides_prompts: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """MLflow's fields of one kind of thing. ``attributes`` and ``orders`` map MLflow's names to our fields."""

    attributes: Mapping[str, str]
    lists: tuple[str, ...]
    numbers: tuple[str, ...]
    number_attributes: tuple[str, ...]  # as MLflow's message lists them
    orders: Mapping[str, str]
    order: tuple[Order, ...]
    ties: tuple[Order, ...]


_NAME, _NUMBER = Key("name"), Key("version_number")
MODELS = Dialect(
    attributes={"name": "name"},
    lists=("name",),
    numbers=(),
    number_attributes=(),
    orders={"name": "name", "timestamp": "revised_ms", "last_updated_timestamp": "revised_ms"},
    order=(Order(_NAME),),
    ties=(Order(_NAME),),
)
VERSIONS = Dialect(
    attributes={"name": "name", "run_id": "run.id", "source_path": "source_path", "version_number": "version_number"},
    lists=("name", "run_id"),
    numbers=("version_number",),
    number_attributes=("creation_timestamp", "last_updated_timestamp", "version_number"),
    orders={"name": "name", "version_number": "version_number", "creation_timestamp": "created_ms",
            "last_updated_timestamp": "revised_ms"},
    order=(Order(Key("revised_ms"), descending=True), Order(_NAME), Order(_NUMBER, descending=True)),
    ties=(Order(_NAME), Order(_NUMBER, descending=True)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Compared:
    """One comparison as MLflow reads it, its operator not looked at yet."""

    tag: bool
    key: str
    operator: str
    value: Value


def parse(dialect: Dialect, text: str | None, order_by: Sequence[str]) -> Search:
    """Return the search that MLflow would do. Raises Invalid with MLflow's text."""
    comparisons = _comparisons(dialect, text) if text else []
    terms = [_term(dialect, compared) for compared in comparisons]
    for compared in comparisons:
        _check_list(compared)
    hides = not _asks_for_prompts(comparisons)
    kept = [term for term, compared in zip(terms, comparisons, strict=True) if not (hides and _about_prompts(compared))]
    if problem := costly_pattern(And(tuple(terms))):
        raise refusal(f"Invalid filter: {problem}.")
    return Search(And(tuple(kept)), _order(dialect, order_by), hides)


def _comparisons(dialect: Dialect, text: str) -> list[_Compared]:
    _check_size(text)
    if not text.strip():
        raise refusal(f"Invalid filter '{text}'. Could not be parsed.")
    if _statements(text) > 1:
        raise refusal(f"Search filter contained multiple expression {text!r}. Provide AND-ed expression list.")
    parts = clauses(text)
    wrong = [one.text for one in parts if one.group is not Group.COMPARISON and not one.is_keyword("AND")]
    if wrong:
        raise refusal(f"Invalid clause(s) in filter string: {', '.join(wrong)}")
    compared = [one for one in parts if one.group is Group.COMPARISON]
    if len(compared) > MOST_CLAUSES:
        raise refusal(f"The filter has {len(compared)} clauses; at most {MOST_CLAUSES} are allowed.")
    return [_comparison(dialect, one) for one in compared]


def _check_size(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise refusal("The filter is not Unicode text.") from error
    if size > MOST_BYTES:
        raise refusal(f"The filter has {size} bytes; at most {MOST_BYTES} are allowed.")
    if "\x00" in text:
        raise refusal("The filter must not hold U+0000.")


def _statements(text: str) -> int:
    """Return the number of SQL statements in the text: a semicolon ends one, but not in parentheses."""
    depth, statements, ended = 0, 1, False
    for word in words(text):
        if word.kind is MlflowWordKind.SPACE:
            continue
        statements += ended
        ended = word.text == ";" and depth <= 0
        depth += (word.text == "(") - (word.text == ")")
    return statements


def _comparison(dialect: Dialect, clause: Clause) -> _Compared:
    left, operator = clause.parts[0], clause.parts[1]
    if left.group is not Group.IDENTIFIER:
        raise refusal(f"Invalid comparison clause. Expected 'Identifier' found '{left.text}'")
    if len(clause.parts) == 2:
        raise refusal(f"{operator.text} is not supported in this filter: '{clause.text}'")
    tag, key = _key(dialect, left.text)
    value = _tag_value(clause.parts[2]) if tag else _attribute_value(dialect, key, clause.parts[2])
    return _Compared(tag, key, operator.text.upper(), value)


def _key(dialect: Dialect, text: str) -> tuple[bool, str]:
    """Return whether the key is a tag's, and its name."""
    entity, dot, key = text.partition(".")
    if not dot:
        entity, key = "attribute", text
    if entity not in _ENTITIES:
        raise refusal(f"Invalid entity type '{entity}'. Valid entity types are {_ENTITIES}")
    tag = entity in _TAGS
    if not tag and key not in dialect.attributes:
        raise refusal(f"Invalid attribute key '{key}' specified. Valid keys are '{_set(dialect.attributes)}'")
    return tag, _bare(key)


def _bare(key: str) -> str:
    for quote in "'\"`":
        if len(key) >= 2 and key[0] == key[-1] == quote:
            stripped = key[1:-1]
            # MLflow takes off one pair of quotes, then one of backticks.
            return _bare(stripped) if quote != "`" and stripped[:1] == "`" else stripped
    return key


def _tag_value(right: Clause) -> str:
    if right.group in {Group.STRING, Group.IDENTIFIER}:
        return quoted(right.text)
    raise refusal(f"Expected a quoted string value for tag (e.g. 'my-value'). Got value {right.text}")


def _attribute_value(dialect: Dialect, key: str, right: Clause) -> Value:
    match right.group:
        case Group.STRING | Group.IDENTIFIER:
            return quoted(right.text)
        case Group.LIST:
            if key not in dialect.lists:
                allowed = sorted(dialect.lists)
                raise refusal(f"Only {allowed} attributes support comparison with a list of quoted string values.")
            return list_of_strings(right.text)
        case Group.WHOLE | Group.FRACTION if dialect.numbers:
            if key not in dialect.numbers:
                allowed_set = _set(dialect.number_attributes)
                raise refusal(f"Only the '{allowed_set}' attributes support comparison with numeric values.")
            return _integer_or_text(right.text) if right.group is Group.WHOLE else float(right.text)
    raise refusal(
        f"Expected a quoted string value or a list of quoted string values for attributes. Got value {right.text}"
    )


def _integer_or_text(text: str) -> Value:
    try:
        return int(text)
    except ValueError:  # more digits than Python reads
        return text


def _term(dialect: Dialect, compared: _Compared) -> Term:
    operator, value = compared.operator, compared.value
    if compared.tag:
        if operator not in _TAG_OPERATORS:
            raise refusal(f"Invalid comparator for tag: {operator}")
        return Condition(Key("tags", compared.key), Operator(operator), value)
    key = Key(dialect.attributes[compared.key])
    if compared.key in dialect.numbers:
        return _number_term(key, compared)
    if operator not in _TEXT_OPERATORS or (operator in {"IN", "NOT IN"} and compared.key not in dialect.lists):
        raise refusal(f"Invalid comparator for attribute: {operator}")
    condition = Condition(key, Operator(operator), value)
    return Or((condition, Absent(key))) if _takes_nothing(condition) else condition


def _check_list(compared: _Compared) -> None:
    if isinstance(compared.value, tuple) is not (compared.operator in {"IN", "NOT IN"}):
        problem = f"{compared.operator} does not compare with {compared.value!r}"
        raise refusal(f"Invalid value for attribute '{compared.key}': {problem}")


def _number_term(key: Key, compared: _Compared) -> Term:
    if compared.operator not in _NUMBER_OPERATORS:
        raise refusal(f"Invalid comparator for attribute {compared.key}: {compared.operator}")
    wrong = refusal(f"Invalid value for numeric attribute '{compared.key}': {compared.value!r}")
    if not isinstance(compared.value, str | int):
        raise wrong
    try:
        return Condition(key, Operator(compared.operator), int(compared.value))
    except ValueError as error:
        raise wrong from error


def _takes_nothing(condition: Condition) -> bool:
    """Return whether an empty text would do: MLflow keeps one where a version has no run or no source."""
    if condition.key == _NAME:
        return False
    value = condition.value
    match condition.operator:
        case Operator.EQ:
            return value == ""
        case Operator.NE:
            return value != ""
        case Operator.IN:
            return isinstance(value, tuple) and "" in value
        case Operator.NOT_IN:
            return isinstance(value, tuple) and "" not in value
        case _:
            return isinstance(value, str) and not value.strip("%")


def _asks_for_prompts(comparisons: Iterable[_Compared]) -> bool:
    """Return the first clause on the prompts' tag decides."""
    for compared in comparisons:
        if _about_prompts(compared):
            value = str(compared.value).lower()
            return (compared.operator, value) in {("=", "true"), ("!=", "false")}
    return False


def _about_prompts(compared: _Compared) -> bool:
    return compared.tag and compared.key == PROMPT_TAG


def _order(dialect: Dialect, order_by: Sequence[str]) -> tuple[Order, ...]:
    """Return the order of the search, ties included."""
    if not order_by:
        return dialect.order
    orders: dict[str, Order] = {}
    for clause in order_by:
        ordered = _ordered(dialect, clause)
        if ordered.key.field in orders:
            raise refusal(f"`order_by` contains duplicate fields: {list(order_by)}", field="order_by")
        orders[ordered.key.field] = ordered
    ties = [tie for tie in dialect.ties if tie.key.field not in orders]
    return (*orders.values(), *ties)


def _ordered(dialect: Dialect, clause: str) -> Order:
    unreadable = refusal(f"Invalid order_by clause '{clause}'. Could not be parsed.", field="order_by")
    if len(clause) > MOST_BYTES:
        raise refusal("An order_by clause is too long.", field="order_by")
    made, rest = identifier(clause)
    after = [word for word in rest if word.kind is not MlflowWordKind.SPACE]
    if made is None or len(after) > 1 or (rest and rest[-1].kind is MlflowWordKind.SPACE):
        raise unreadable
    direction = after[0].text.lower() if after else "asc"
    if direction not in {"asc", "desc"}:
        if after[0].kind is not MlflowWordKind.NAME or made.text == "timestamp":
            raise unreadable
        raise refusal(f"Invalid ordering key in order_by clause '{clause}'.", field="order_by")
    # MLflow takes all quotes off a key that has a direction; off one that has none, only those of its last part.
    name = made.text.translate(_NO_QUOTES) if after else made.text
    field = dialect.orders.get(_order_key(dialect, name))
    if field is None:
        raise _unknown_order(dialect, name)
    return Order(Key(field), descending=direction == "desc")


def _order_key(dialect: Dialect, name: str) -> str:
    return _bare(name.removeprefix("attribute.")) if dialect is VERSIONS else name


def _unknown_order(dialect: Dialect, name: str) -> Invalid:
    if dialect is MODELS:
        return refusal(
            f"Invalid order by key '{name}' specified. Valid keys are '{_set(['name', 'timestamp'])}'", field="order_by"
        )
    entity, dot, key = name.partition(".")
    if dot and entity not in _ENTITIES:
        text = f"Invalid entity type '{entity}'. Valid entity types are {_ENTITIES}"
    elif dot and entity in _TAGS:
        text = f"Invalid order by key '{_bare(key)}' specified. Valid keys are {_set(dialect.orders)}"
    else:
        text = (
            f"Invalid attribute key '{_bare(key if dot else name)}' specified. Valid keys are '{_set(dialect.orders)}'"
        )
    return refusal(text, field="order_by")


def _set(names: Iterable[str]) -> str:
    """Return a set as Python shows it, in the order of the alphabet: MLflow's messages have such sets, in any order."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"


def refusal(text: str, *, field: str = "filter") -> Invalid:
    """MLflow's face shows the text as it is."""
    return Invalid(text, errors={field: [text]})
