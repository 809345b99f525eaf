"""Form fields made from the declarations in `config`: title, tooltip, bounds, choices, unit.

A field is a magicgui value widget; nothing here knows a particular setting. Values that stand for "not
given" are ``None``, so that whatever pydantic would decide without the field is decided by pydantic.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import annotated_types as at
from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_nnunet_em._napari.wording import as_text
from napari_nnunet_em.config import Settings
from napari_nnunet_em.errors import SettingsError

Choices = Sequence[tuple[str, Any]]
S = TypeVar("S", bound=Settings)

_UNBOUNDED = 2**31 - 1
"""The largest number that a Qt spin box holds."""


class Field:
    """One setting on screen.

    Parameters
    ----------
    group : type of Settings
        The group that declares the setting.
    name : str
        Name of the setting in the group.
    choices : sequence of (label, value), optional
        Offer these values only, where they depend on the data at hand (the folds of a model, say).
    file_mode : str, optional
        Show a path with a button that opens a file dialog; a mode of magicgui's ``FileEdit``.
    """

    def __init__(
        self,
        group: type[Settings],
        name: str,
        *,
        choices: Choices | None = None,
        file_mode: str | None = None,
    ) -> None:
        self.name = name
        self._info = group.model_fields[name]
        self.widget = _make_widget(self._info, choices, file_mode)
        self.widget.tooltip = self.tooltip

    @property
    def label(self) -> str:
        """Title of the setting, with its unit."""
        title = self._info.title or self.name
        return f"{title} ({self.unit})" if self.unit else title

    @property
    def tooltip(self) -> str:
        """What the setting does."""
        return self._info.description or ""

    @property
    def unit(self) -> str:
        """Unit of the value, or an empty string."""
        return declared_unit(self._info)

    @property
    def value(self) -> Any:
        """What the form holds; ``None`` for an empty text."""
        value = self.widget.value
        if isinstance(self.widget, LineEdit):
            return value.strip() or None
        return str(value) if isinstance(self.widget, FileEdit) else value

    @value.setter
    def value(self, value: Any) -> None:
        if isinstance(self.widget, LineEdit):
            value = "" if value is None else as_text(value)
        self.widget.value = value

    def set_choices(self, choices: Choices) -> None:
        """Replace what a choice offers, keeping the current value where it is still offered."""
        if not isinstance(self.widget, ComboBox):
            raise TypeError(f"The field {self.name!r} has no choices.")
        before = self.widget.value
        # magicgui would keep what is offered already, and append the rest.
        self.widget.choices = ()
        self.widget.choices = tuple(choices)
        self.widget.enabled = len(choices) > 1
        if any(value == before for _, value in choices):
            self.widget.value = before


class SettingsForm(Generic[S]):
    """Some fields of one group of settings.

    Parameters
    ----------
    group : type of Settings
        The group that declares them.
    fields : sequence of Field
        Those on screen; the others keep their defaults.
    """

    def __init__(self, group: type[S], fields: Sequence[Field]) -> None:
        self._group = group
        self._fields = {field.name: field for field in fields}

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def settings(self, **others: Any) -> S:
        """The values on screen, and `others`, as a validated group of settings.

        Raises
        ------
        SettingsError
            With a sentence that names the field by its title.
        """
        values = {f.name: f.value for f in self if f.value is not None}
        return validated(self._group, {**values, **others})


def validated(group: type[S], values: Mapping[str, Any]) -> S:
    """`values` as settings, or a `SettingsError` whose sentence names the first wrong field by its title."""
    try:
        return group.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        info = group.model_fields.get(name)
        title = (info.title if info else None) or name or "The settings"
        raise SettingsError(
            f"{title}: {first['input']!r} cannot be used ({first['msg'].lower()}); "
            f"{info.description if info and info.description else 'please correct it.'}"
        ) from error


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


def _make_widget(info: FieldInfo, choices: Choices | None, file_mode: str | None) -> ValueWidget[Any]:
    default = info.get_default(call_default_factory=True)
    kind = _bare_type(info.annotation)
    if choices is not None:
        return ComboBox(choices=tuple(choices))
    if file_mode is not None:
        return _make_file_edit(file_mode)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ComboBox(choices=[(_words(member), member) for member in kind], value=default)
    if kind is bool:
        return CheckBox(value=default, text="")
    if kind in (int, float):
        return _make_number(info, kind, default)
    line = LineEdit(value="" if info.is_required() or default is None else as_text(default))
    line.native.setPlaceholderText(", ".join(_extra(info, "metavar").lower().split(",")))
    return line


def _make_file_edit(mode: str) -> FileEdit:
    edit = FileEdit(mode=mode)
    edit.choose_btn.text = "…"
    edit.choose_btn.max_width = 34
    return edit


def _words(member: enum.Enum) -> str:
    return f"{member.name.lower()} ({member.value})" if isinstance(member.value, int) else str(member.value)


def _make_number(info: FieldInfo, kind: type, default: Any) -> ValueWidget[Any]:
    if kind is int:
        return SpinBox(value=default, step=1, **_bounds(info, 1))
    bounds = _bounds(info, 0.01)
    # A share between 0 and 1 moves by 0.05; an open-ended amount, such as a volume in µm³, may be tiny.
    share = bounds["max"] <= 1
    widget = FloatSpinBox(value=default, step=0.05 if share else 0.01, **bounds)
    widget.native.setDecimals(2 if share else 4)
    return widget
