"""Rows as dataclasses and pydantic models."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from ._native import Node, Result

T = TypeVar("T")
_Make = Callable[..., list[Any]]


def into(result: Result, cls: type[T]) -> list[T]:
    """The rows as objects of a class.

    A dataclass is made of the columns at once; its fields must be what was asked for, by name, and those that were not asked for
    need a default. An edge becomes what its field is annotated with: `list[Album]`, `Artist` or `Artist | None`. Anything else is
    given to pydantic.
    """
    if dataclasses.is_dataclass(cls) and isinstance(cls, type):
        return _dataclasses(result, cls)
    return _models(result, cls)


def _models(result: Result, cls: type[T]) -> list[T]:
    try:
        from pydantic import TypeAdapter
    except ImportError as error:
        raise TypeError(f"`{cls}` is no dataclass, and pydantic is not installed") from error
    rows: list[T] = TypeAdapter(list[cls]).validate_python(result.dicts())  # type: ignore[valid-type]
    return rows


def _dataclasses(result: Result, cls: type[T]) -> list[T]:
    shape = result.shape
    makers: dict[int, _Make] = {}
    _plan(shape, 0, cls, makers)

    def make(node: int, columns: tuple[list[Any], ...], rows: int) -> list[Any]:
        return makers[node](columns, rows)

    objects: list[T] = result.build(make)
    return objects


def _plan(shape: list[Node], at: int, cls: type[Any], makers: dict[int, _Make]) -> None:
    """How the rows of a node, and of those that its edges lead to, become objects."""
    node = shape[at]
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    unknown = [name for name in node.members if name not in fields]
    if unknown:
        raise TypeError(f"`{cls.__name__}` has no field `{unknown[0]}`, which the rows of {node.entity} have")
    for name, field in fields.items():
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if name not in node.members and not has_default:
            raise TypeError(f"`{cls.__name__}.{name}` has no default, and the rows of {node.entity} have no `{name}`")
    edges = {name: child for name, child, _ in node.edges}
    converts: list[Callable[[Any], Any] | None] = []
    for name in node.members:
        inner = _inner(hints[name])
        if name in edges:
            if not (isinstance(inner, type) and dataclasses.is_dataclass(inner)):
                raise TypeError(f"`{cls.__name__}.{name}` is to hold rows, and `{inner}` is no dataclass")
            _plan(shape, edges[name], inner, makers)
            converts.append(None)
        elif isinstance(inner, type) and issubclass(inner, enum.Enum):
            converts.append(inner)
        elif isinstance(inner, type) and dataclasses.is_dataclass(inner):
            converts.append(functools.partial(_of_struct, inner))
        else:
            converts.append(None)
    makers[at] = _maker(cls, node.members, list(fields), converts)


def _maker(cls: type[Any], names: list[str], fields: list[str], converts: list[Callable[[Any], Any] | None]) -> _Make:
    keyword_only = any(field.kw_only for field in dataclasses.fields(cls) if field.init)
    in_order = names == fields[: len(names)] and not keyword_only
    order = [names.index(name) for name in fields if name in names]
    positional = not keyword_only and [names[at] for at in order] == fields[: len(order)]

    def make(columns: tuple[list[Any], ...], rows: int) -> list[Any]:
        columns = tuple(
            column if convert is None else [None if value is None else convert(value) for value in column]
            for column, convert in zip(columns, converts)
        )
        if not columns:
            return [cls() for _ in range(rows)]
        if in_order:
            return list(map(cls, *columns))
        if positional:
            return list(map(cls, *(columns[at] for at in order)))
        return [cls(**dict(zip(names, values))) for values in zip(*columns)]

    return make


def _of_struct(cls: type[Any], members: dict[str, Any]) -> Any:
    return cls(**members)


def _inner(hint: Any) -> Any:
    """What stands in `list[…]`, `… | None` and their like."""
    origin = typing.get_origin(hint)
    if origin is typing.Union or origin is types.UnionType:
        inner = [each for each in typing.get_args(hint) if each is not type(None)]
        return _inner(inner[0]) if len(inner) == 1 else hint
    if origin in (list, tuple, typing.Sequence) or (isinstance(origin, type) and issubclass(origin, typing.Sequence)):
        arguments = typing.get_args(hint)
        return _inner(arguments[0]) if arguments else hint
    if origin is typing.Annotated:
        return _inner(typing.get_args(hint)[0])
    return hint
