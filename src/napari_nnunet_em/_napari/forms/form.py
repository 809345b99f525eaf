"""Form fields made from the declarations in `config`: title, tooltip, bounds, choices, unit.

A field is a magicgui value widget; nothing here knows a particular setting. Values that stand for "not
given" are ``None``, so that whatever pydantic would decide without the field is decided by pydantic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from magicgui.widgets import ComboBox, FileEdit, LineEdit
from pydantic import ValidationError

from napari_nnunet_em._napari.forms.field_widgets import Choices, declared_unit, make_widget
from napari_nnunet_em._napari.words import as_text
from napari_nnunet_em.config import Settings
from napari_nnunet_em.errors import SettingsError, refusal_reason
from napari_nnunet_em.export import Format

S = TypeVar("S", bound=Settings)


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
    formats : sequence of Format, optional
        What the dialog of mode ``w`` offers to save: OME-Zarr without it.
    """

    def __init__(
        self,
        group: type[Settings],
        name: str,
        *,
        choices: Choices | None = None,
        file_mode: str | None = None,
        formats: Sequence[Format] = (Format.OME_ZARR,),
    ) -> None:
        self.name = name
        self._info = group.model_fields[name]
        self.widget = make_widget(self._info, choices, file_mode, formats)
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

    def offers(self, value: Any) -> bool:
        """Whether the value can be chosen here; any can where there are no choices."""
        return not isinstance(self.widget, ComboBox) or value in self.widget.choices

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
            f"{title}: {first['input']!r} cannot be used ({refusal_reason(first)}); "
            f"{info.description if info and info.description else 'please correct it.'}"
        ) from error
