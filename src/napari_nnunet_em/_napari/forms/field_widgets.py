"""From the type and bounds of a declaration to the magicgui widget that holds its value."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Sequence
from typing import Any

import annotated_types as at
from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo

from napari_nnunet_em._napari.forms.save_dialog import save_field
from napari_nnunet_em._napari.words import as_text
from napari_nnunet_em.export import Format

Choices = Sequence[tuple[str, Any]]

_UNBOUNDED = 2**31 - 1
"""The largest number that a Qt spin box holds."""


def declared_unit(info: FieldInfo) -> str:
    """The unit that a declaration states, or an empty string."""
    return _extra(info, "unit")


def _extra(info: FieldInfo, key: str) -> str:
    extra = info.json_schema_extra
    return str(extra.get(key, "")) if isinstance(extra, dict) else ""


def _bare_type(annotation: Any) -> Any:
    """The type without ``Optional`` and ``Annotated``: ``tuple`` for ``Annotated[tuple[...], ...]``."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _bare_type(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return _bare_type(next(a for a in typing.get_args(annotation) if a is not types.NoneType))
    return origin or annotation


def _bounds(info: FieldInfo, step: float) -> dict[str, Any]:
    """Least and largest value that the declaration allows; an excluded bound moves by one `step`."""
    least, most = None, None
    for rule in info.metadata:
        match rule:
            case at.Ge(ge=bound):
                least = bound
            case at.Gt(gt=bound):
                least = bound + step  # type: ignore[operator]
            case at.Le(le=bound):
                most = bound
            case at.Lt(lt=bound):
                most = bound - step  # type: ignore[operator]
            case _:
                continue
    return {"min": -_UNBOUNDED if least is None else least, "max": _UNBOUNDED if most is None else most}


def make_widget(
    info: FieldInfo, choices: Choices | None, file_mode: str | None, formats: Sequence[Format]
) -> ValueWidget[Any]:
    """The widget for a declaration, holding its default.

    Parameters
    ----------
    info : pydantic.fields.FieldInfo
        The declaration.
    choices : sequence of (label, value), or None
        Offer these values only.
    file_mode : str or None
        Mode of magicgui's ``FileEdit``, for a path.
    formats : sequence of Format
        What the dialog of mode ``w`` offers.
    """
    default = info.get_default(call_default_factory=True)
    kind = _bare_type(info.annotation)
    if choices is not None:
        return ComboBox(choices=tuple(choices))
    if file_mode is not None:
        return _make_file_edit(file_mode, formats)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        named: list[tuple[str, Any]] = [(_words(member), member) for member in kind]
        return ComboBox(choices=named if default is not None else [*named, ("", None)], value=default)
    if kind is bool:
        return CheckBox(value=default, text="")
    if kind in (int, float):
        return _make_number(info, kind, default)
    line = LineEdit(value="" if info.is_required() or default is None else as_text(default))
    line.native.setPlaceholderText(", ".join(_extra(info, "metavar").lower().split(",")))
    return line


def _make_file_edit(mode: str, formats: Sequence[Format]) -> FileEdit:
    edit = save_field(formats) if mode == "w" else FileEdit(mode=mode)
    edit.choose_btn.text = "…"
    edit.choose_btn.max_width = 34
    return edit


def _words(member: enum.Enum) -> str:
    return f"{member.name.lower()} ({member.value})" if isinstance(member.value, int) else str(member.value)


def _make_number(info: FieldInfo, kind: type, default: Any) -> ValueWidget[Any]:
    if kind is int:
        return SpinBox(value=default, step=1, **_bounds(info, 1))
    bounds = _bounds(info, 0.01)
    # A share between 0 and 1 moves by 0.05; an open-ended amount, such as a volume in µm³, may be tiny, which
    # lengths in nm and memory in GB never are.
    share, coarse = bounds["max"] <= 1, declared_unit(info) in ("nm", "GB")
    widget = FloatSpinBox(value=default, step=0.05 if share else 1.0 if coarse else 0.01, **bounds)
    widget.native.setDecimals(2 if share or coarse else 4)
    return widget
