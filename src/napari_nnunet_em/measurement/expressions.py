"""Conditions on the object table, as a person types them: ``volume_um3 > 0.1 and elongation < 3``.

Nothing that is typed ever runs as code. The text is parsed, and a short list of nodes is computed here with
NumPy: columns, numbers, arithmetic, comparisons, ``and``, ``or``, ``not`` and ``in``. `pandas.eval` would
also reach attributes and functions.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import SettingsError

Columns = Mapping[str, NDArray[Any]]
"""Columns of a table by name, each (objects,)."""

_MOST_CHARACTERS = 1000
_SHOWN_CHARACTERS = 60
_DEEPEST = 100
"""Levels of nesting; far less than Python's own limit, which counts the frames of the window too."""

_TOO_DEEP = "it is nested too deeply, or holds an impossible number"
_LONE_EQUALS = re.compile(r"(?<![<>=!:])=(?!=)")
_EXAMPLE = "write conditions such as volume_um3 > 0.1 and elongation < 3, with the names of columns."
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class Condition:
    """A condition on the columns of a table.

    Attributes
    ----------
    text : str
        As it was typed.
    """

    text: str
    _compute: Callable[[Columns], Any]

    @classmethod
    def parse(cls, text: str, dtypes: Mapping[str, str]) -> Condition:
        """Understand a condition; nothing is computed yet.

        Parameters
        ----------
        text : str
            The condition.
        dtypes : mapping of str to str
            The columns that there are, and their types; those of type ``bool`` are conditions themselves.

        Raises
        ------
        SettingsError
            Where it is no condition on these columns, with what is wrong.
        """
        try:
            return cls(text, _Reader(dtypes).condition(_parsed(text)))
        except (_Misunderstood, RecursionError) as error:
            why = _TOO_DEEP if isinstance(error, RecursionError) else error
            short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
            raise SettingsError(f"The condition {short!r} cannot be used: {why}; {_EXAMPLE}") from None

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """Which rows fulfil it, (objects,).

        Parameters
        ----------
        columns : mapping
            At least the columns that it names. No comparison with an empty cell (NaN) holds, except ``!=``.
        """
        length = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):  # 0 / 0 is an empty cell, as in the table
            return np.array(np.broadcast_to(self._compute(columns), length), dtype=np.bool_)


class _Misunderstood(ValueError):
    """What is wrong with a text, as the middle of a sentence."""


def _parsed(text: str) -> ast.expr:
    if len(text) > _MOST_CHARACTERS:
        raise _Misunderstood(f"it has {len(text)} characters, and {_MOST_CHARACTERS} are the limit")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of odd spellings, such as 1if
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        hint = " (equality is written ==)" if _LONE_EQUALS.search(text) else ""
        raise _Misunderstood(f"it is not complete, or not understood{hint}") from None
    except (ValueError, MemoryError, RecursionError):
        raise _Misunderstood(_TOO_DEEP) from None


@dataclass(frozen=True)
class _Part:
    """A part of a condition: how it is computed, and whether it is true or false rather than a number."""

    logical: bool
    compute: Callable[[Columns], Any]


class _Reader:
    """Turns the nodes that are allowed into functions of the columns, and refuses all others."""

    def __init__(self, dtypes: Mapping[str, str]) -> None:
        self._dtypes = dtypes
        self._depth = 0
        self._readers: dict[type[ast.expr], Callable[[Any], _Part]] = {
            ast.Name: self._name,
            ast.Constant: self._constant,
            ast.UnaryOp: self._signed,
            ast.BinOp: self._arithmetic,
            ast.BoolOp: self._joined,
            ast.Compare: self._comparison,
        }

    def condition(self, node: ast.expr) -> Callable[[Columns], Any]:
        part = self._part(node)
        if not part.logical:
            raise _Misunderstood(f"{ast.unparse(node)} is a number and no condition: compare it with another")
        return part.compute

    def number(self, node: ast.expr) -> Callable[[Columns], Any]:
        part = self._part(node)
        if part.logical:
            raise _Misunderstood(f"{ast.unparse(node)} is a condition and no number")
        return part.compute

    def _part(self, node: ast.expr) -> _Part:
        if self._depth == _DEEPEST:
            raise _Misunderstood(_TOO_DEEP)
        read = self._readers.get(type(node))
        if read is None:
            raise _Misunderstood(f"{ast.unparse(node)} is neither a column nor a number nor a condition")
        self._depth += 1
        part = read(node)
        self._depth -= 1
        return part

    def _name(self, node: ast.Name) -> _Part:
        name = node.id
        if name not in self._dtypes:
            close = difflib.get_close_matches(name, self._dtypes, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise _Misunderstood(f"there is no column {name}{hint}")
        return _Part(self._dtypes[name] == "bool", lambda columns: columns[name])

    def _constant(self, node: ast.Constant) -> _Part:
        value = node.value
        if not isinstance(value, int | float):
            raise _Misunderstood(f"{ast.unparse(node)} is no number")
        return _Part(isinstance(value, bool), lambda _: value)

    def _signed(self, node: ast.UnaryOp) -> _Part:
        if isinstance(node.op, ast.Not):
            inner = self.condition(node.operand)
            return _Part(True, lambda columns: np.logical_not(inner(columns)))
        value = self.number(node.operand)
        match node.op:
            case ast.UAdd():
                return _Part(False, value)
            case ast.USub():
                return _Part(False, lambda columns: operator.neg(value(columns)))
        raise _Misunderstood(f"{ast.unparse(node)} is not understood (write not instead of ~)")

    def _arithmetic(self, node: ast.BinOp) -> _Part:
        compute = _ARITHMETIC.get(type(node.op))
        if compute is None:
            raise _Misunderstood(
                f"{ast.unparse(node)} is not understood (numbers are joined by + - * / **, "
                "conditions by and, or)"
            )
        left, right = self.number(node.left), self.number(node.right)
        return _Part(False, lambda columns: compute(_float(left(columns)), _float(right(columns))))

    def _joined(self, node: ast.BoolOp) -> _Part:
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        parts = [self.condition(value) for value in node.values]
        return _Part(True, lambda columns: reduce(join, (part(columns) for part in parts)))

    def _comparison(self, node: ast.Compare) -> _Part:
        nodes = [node.left, *node.comparators]
        pairs = [self._pair(*three) for three in zip(nodes, node.ops, nodes[1:], strict=False)]
        return _Part(True, lambda columns: reduce(np.logical_and, (pair(columns) for pair in pairs)))

    def _pair(self, left_node: ast.expr, op: ast.cmpop, right_node: ast.expr) -> Callable[[Columns], Any]:
        if isinstance(op, ast.In | ast.NotIn):
            return self._membership(left_node, op, right_node)
        compare = _COMPARISONS.get(type(op))
        if compare is None:
            raise _Misunderstood("things are compared by <, <=, >, >=, ==, !=, in and not in")
        left, right = self._part(left_node).compute, self._part(right_node).compute
        return lambda columns: compare(left(columns), right(columns))

    def _membership(self, left_node: ast.expr, op: ast.cmpop, listed: ast.expr) -> Callable[[Columns], Any]:
        if not isinstance(listed, ast.List | ast.Tuple | ast.Set):
            raise _Misunderstood("after 'in' comes a list of numbers, such as (3, 17, 20)")
        left, entries = self.number(left_node), [self.number(entry) for entry in listed.elts]
        wanted = isinstance(op, ast.In)

        def compute(columns: Columns) -> Any:
            values = left(columns)
            found = np.zeros(np.shape(values), dtype=np.bool_)
            for entry in entries:
                found = found | np.equal(values, entry(columns))
            return found == wanted

        return compute


def _float(value: Any) -> Any:
    """Arithmetic is done in float64: NumPy's whole numbers would wrap round silently."""
    try:
        return np.asarray(value, dtype=np.float64)
    except OverflowError:
        return np.float64(np.inf if value > 0 else -np.inf)
