"""Settings for objects that a person keeps under a name, one YAML file each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import yaml
from pydantic import ValidationError

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import InputError, OutputError, SettingsError, refusal_reason
from napari_nnunet_em.io.staging import replacing

_SUFFIX = ".yaml"
# What every file system takes: no separators, nothing hidden, no spaces at the ends.
_NAME = re.compile(r"[\w\-+()][\w\-+(). ]{0,62}[\w\-+()]|[\w\-+()]")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def preset_folder() -> Path:
    """Where presets are kept: in the user's folder for settings."""
    return platformdirs.user_config_path("napari-nnunet-em") / "presets"


@dataclass(frozen=True)
class PresetStore:
    """Presets in a folder.

    Attributes
    ----------
    folder : pathlib.Path
        Where; it is made when the first preset is saved.
    """

    folder: Path = field(default_factory=preset_folder)

    def names(self) -> tuple[str, ...]:
        """Names of all presets, sorted."""
        if not self.folder.is_dir():
            return ()
        files = [file.stem for file in self.folder.glob(f"*{_SUFFIX}")]
        return tuple(sorted(files, key=str.casefold))

    def load(self, name: str) -> InstanceSettings:
        """The settings of a preset; those that it does not mention have their defaults.

        Raises
        ------
        InputError
            If there is no such preset, or it cannot be read.
        SettingsError
            If it holds what cannot be used.
        """
        file = self._file(name)
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            known = ", ".join(self.names()) or "none yet"
            raise InputError(f"There is no preset {name!r} in {self.folder}; there are: {known}.") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(
                f"The preset {file} cannot be read ({error}): correct the file, or delete it and save the "
                "preset again."
            ) from error
        if document is not None and not isinstance(document, dict):
            raise SettingsError(
                f"The preset {file} holds no settings: write one per line, such as threshold: 0.5."
            )
        try:
            return InstanceSettings.model_validate(document or {})
        except ValidationError as error:
            first = error.errors()[0]
            which = ".".join(str(part) for part in first["loc"]) or "the settings"
            raise SettingsError(
                f"The preset {file} cannot be used: {which} is {first['input']!r} "
                f"({refusal_reason(first)}); correct it there, or save the preset again."
            ) from error

    def save(self, name: str, settings: InstanceSettings) -> Path:
        """Keep settings under a name, in place of what was there.

        Raises
        ------
        SettingsError
            If the name cannot be that of a file.
        OutputError
            If the file cannot be written.
        """
        file = self._file(name)
        text = yaml.safe_dump(settings.model_dump(mode="json", exclude={"enabled"}), sort_keys=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(file) as draft:
                draft.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"The preset {file} cannot be written ({error.strerror or error}): free space or check the "
                "permissions of the folder."
            ) from error
        return file

    def remove(self, name: str) -> None:
        """Forget a preset; one that is not there is fine.

        Raises
        ------
        OutputError
            If the file cannot be deleted.
        """
        file = self._file(name)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"The preset {file} cannot be deleted ({error.strerror or error}): check the permissions of "
                "the folder."
            ) from error

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
            raise SettingsError(
                f"A preset cannot be named {name!r}: use up to 64 letters, digits, spaces and -_+.(), with "
                "no space or point at either end."
            )
        return self.folder / f"{name}{_SUFFIX}"
