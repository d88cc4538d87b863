"""Predicates over the columns of cells, in SQL: ``disease = 'flu' AND n_genes > 500``.

Lance reads what stands after WHERE and drops what follows a whole expression: ``n = 1; DROP
TABLE t``, ``n = 1 LIMIT 1`` and ``n = 1) OR (1 = 1`` pass, and ``"n" = 1`` compares a text.
So a predicate is cut into tokens here; each is looked up, and the lot is put in parentheses.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from atlash.errors import InputError, KeyNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
    | (?P<word>[^\W\d]\w*)
    | (?P<comment>--|/\*)
    | (?P<sign><=|>=|<>|!=|==|\|\||[=<>+\-*/%(),])
    """,
    re.VERBOSE,
)
_KEYWORDS = frozenset(
    {"and", "or", "not", "in", "is", "null", "true", "false", "like", "ilike", "between"}
)
_FUNCTIONS = frozenset(
    {"lower", "upper", "length", "starts_with", "ends_with", "contains", "regexp_like", "coalesce",
     "abs", "round"}
)  # fmt: skip
_TIMES = frozenset({"date", "timestamp"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "||"})
_COMPARISONS = frozenset(
    {"=", "==", "<>", "!=", "<", ">", "<=", ">=", "is", "in", "like", "ilike", "between"}
)

# Well below what makes a supported Lance overflow its stack, which ends the process, or take
# minutes. Long lists are for IN, which has no such limit.
_MAX_DEPTH = 30
_MAX_ARITHMETIC = 30
_MAX_COMPARED = 5  # Lance copies operands of some: BETWEEN twice, coalesce up to four times
_MAX_TERMS = 200
_EXAMPLE = "A predicate compares columns with values: disease = 'flu' AND n_genes > 500."


def filter_sql(
    predicate: str, columns: Sequence[str], renamed: Mapping[str, str] | None = None
) -> str:
    """Return a predicate as Lance takes it, once every token of it is known to be harmless.

    Parameters
    ----------
    predicate
        Comparisons of columns with numbers, texts and times, ``AND``, ``OR``, ``NOT``, ``IN``,
        ``IS NULL``, ``LIKE``, ``BETWEEN``, arithmetic and a few functions. Texts stand in single
        quotes, times as ``timestamp '2024-02-01 10:00'`` or ``date '2024-02-01'``; names of
        columns that are no plain words in double quotes or backticks.
    columns
        Names that may occur.
    renamed
        The column that is meant by each further name.

    Returns
    -------
    The same condition in parentheses, each name in backticks; whole numbers that columns are
    compared with have no point or exponent.

    Raises
    ------
    KeyNotFoundError
        If it names a column that is not there; the message has the nearest names.
    InputError
        If it is anything else than a predicate, or too long to be read.
    """
    if not isinstance(predicate, str) or not predicate.strip():
        _refuse(predicate, "it is empty" if isinstance(predicate, str) else "it is no text")
    tokens = _tokens(predicate)
    _check_size(predicate, [token for _, token in tokens])
    names = {name: name for name in columns} | {
        name: stored for name, stored in (renamed or {}).items() if name not in columns
    }
    known = []
    compared = _compared_numbers([token.lower() for _, token in tokens])
    for place, (kind, token) in enumerate(tokens):
        next_kind, following = tokens[place + 1] if place + 1 < len(tokens) else ("", "")
        if kind == "quoted":
            known.append(_column(predicate, _unquoted(token), names, quoted=token[0] == '"'))
        elif kind == "number":
            known.append(_without_point(token) if place in compared else token)
        elif kind == "word" and token.lower() in _TIMES and next_kind == "text":
            known.append(token.lower())
        elif kind == "word" and token.lower() not in _KEYWORDS:
            if following == "(":
                known.append(_function(predicate, token))
            else:
                known.append(_column(predicate, token, names))
        else:
            known.append(token)
    return f"({' '.join(known)})"


def _compared_numbers(tokens: list[str]) -> set[int]:
    """Return the places of tokens that, if numbers, are all of one side of a comparison.

    Those of arithmetic are not: ``n / 2`` divides whole numbers, and ``n / 2.0`` does not.
    """
    found = set()
    lists = [False]
    for place, (before, token) in enumerate(pairwise(["", *tokens])):
        if token == "(":
            lists.append(before == "in")
        elif token == ")":
            lists.pop()
        of_sign = before in {"+", "-"} and place > 1 and tokens[place - 2] in _COMPARISONS
        after = tokens[place + 1] if place + 1 < len(tokens) else ""
        opens = before in {"", "(", "and", "or", "not"} and after in _COMPARISONS
        closes = before in _COMPARISONS or before == "and" or of_sign
        in_list = lists[-1] and before in {"(", ","}
        if opens or ((closes or in_list) and after not in _ARITHMETIC):
            found.add(place)
    return found


def _without_point(number: str) -> str:
    """Return a whole number without point and exponent: Lance takes no other for its columns."""
    value = float(number)
    if number.isdigit() or not value.is_integer() or value >= 2**53:
        return number
    return str(int(value))


def refuse_planned(predicate: str, columns: Sequence[str], finding: str) -> NoReturn:
    """Raise :class:`InputError` for a predicate that Lance does not take."""
    listed = ", ".join(map(repr, columns))
    _refuse(predicate, f"{finding}. The columns are {listed}")


def _tokens(predicate: str) -> list[tuple[str, str]]:
    """Cut a predicate into (kind, token), white space left out."""
    found = []
    place = 0
    while place < len(predicate):
        match = _TOKEN.match(predicate, place)
        if match is None:
            char = predicate[place]
            quote = " opens a text or name that does not end" if char in "'\"`" else ""
            named = " except in a name in double quotes" if char in ".:?#@$!&~" else ""
            _refuse(predicate, f"{char!r}{quote or f' does not belong in it{named}'}")
        kind = str(match.lastgroup)
        if kind == "comment":
            _refuse(predicate, f"{match[0]!r} begins a comment")
        if kind != "space":
            found.append((kind, match[0]))
        place = match.end()
    return found


def _check_size(predicate: str, tokens: list[str]) -> None:
    """Refuse unbalanced parentheses, and more than the parser can take."""
    depth = deepest = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        deepest = max(deepest, depth)
        if depth < 0:
            _refuse(predicate, "a parenthesis closes that was not opened")
    if depth:
        _refuse(predicate, "a parenthesis is not closed")
    n_arithmetic = sum(token in _ARITHMETIC for token in tokens)
    n_terms = sum(token.lower() in {"and", "or", "not"} for token in tokens)
    for what, found, most in (
        ("parentheses in each other", deepest, _MAX_DEPTH),
        ("signs of arithmetic", n_arithmetic, _MAX_ARITHMETIC),
        ("comparisons or coalesce in each other", _n_compared(tokens), _MAX_COMPARED),
        ("AND, OR, NOT", n_terms, _MAX_TERMS),
    ):
        if found > most:
            _refuse(predicate, f"it has {found:,} {what}, at most {most:,} can be read")


@dataclass
class _Group:
    """What stands between two parentheses, up to some token.

    Attributes
    ----------
    coalesced
        Whether they are those of ``coalesce``.
    deepest
        Comparisons in each other, of the parts that AND, OR and commas have ended.
    operand, n_compared, n_between
        Of the last part: the deepest group in it, its comparisons, each BETWEEN without its AND.
    """

    coalesced: bool = False
    deepest: int = 0
    operand: int = 0
    n_compared: int = 0
    n_between: int = 0

    def end_part(self) -> None:
        """Begin another part."""
        self.deepest = max(self.deepest, self.operand + self.n_compared)
        self.operand = self.n_compared = self.n_between = 0


def _n_compared(tokens: list[str]) -> int:
    """Return how many comparisons stand one in the other, as two do in ``a = b = c``."""
    open_groups = [_Group()]
    for before, token in pairwise(["", *map(str.lower, tokens)]):
        group = open_groups[-1]
        if token == "(":
            open_groups.append(_Group(coalesced=before == "coalesce"))
        elif token == ")":
            open_groups.pop().end_part()
            around = open_groups[-1]
            around.operand = max(around.operand, group.deepest + group.coalesced)
        elif token == "and" and group.n_between:
            group.n_between -= 1
        elif token in {"and", "or", ","}:
            group.end_part()
        elif token in _COMPARISONS:
            group.n_compared += 1
            group.n_between += token == "between"
    open_groups[0].end_part()
    return open_groups[0].deepest


def _column(predicate: str, name: str, columns: Mapping[str, str], *, quoted: bool = False) -> str:
    if name in columns and "`" not in columns[name]:
        return f"`{columns[name]}`"
    if name.lower() in {"select", "case", "cast", "exists", "limit", "order", "group", "union"}:
        _refuse(predicate, f"{name!r} does not belong in it")
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    near = near or [column for column in columns if column.lower() == name.lower()]
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    texts = " Texts stand in single quotes." if quoted or not near else ""
    msg = (
        f"The predicate {shortened(predicate)} asks for a column {name!r}, which is not there."
        f"{hint}{texts} The columns are {', '.join(map(repr, columns))}."
    )
    raise KeyNotFoundError(msg)


def _function(predicate: str, name: str) -> str:
    if name.lower() in _FUNCTIONS:
        return name.lower()
    listed = ", ".join(sorted(_FUNCTIONS))
    return _refuse(predicate, f"{name!r} is no function that it may use; these are {listed}")


def _unquoted(token: str) -> str:
    inner = token[1:-1]
    return inner.replace('""', '"') if token[0] == '"' else inner


def _refuse(predicate: object, finding: str) -> NoReturn:
    msg = f"The predicate {shortened(predicate)} cannot be used: {finding}. {_EXAMPLE}"
    raise InputError(msg)


def shortened(predicate: object) -> str:
    """Return a predicate for a message, cut where it is long."""
    text = repr(predicate)
    return text if len(text) <= 200 else f"{text[:200]}…"
