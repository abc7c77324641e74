"""Settings of documents, and those given from outside."""

from __future__ import annotations

from dataclasses import replace

from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Step, parse_step
from archgraph.ir import PADDINGS, Settings
from archgraph.spec import Arguments, SettingsModel, steps_of

PREFIX = "settings."


def settings_of(model: SettingsModel) -> Settings:
    """Settings as written in a document.

    Raises:
        SpecError: `act` or `norm` is not one step.
    """
    steps: dict[str, Step | None] = {}
    for key in ("act", "norm"):
        chain = steps_of(getattr(model, key), model, key)
        if chain is not None and len(chain) != 1:
            message = f"'{key}' is one step"
            raise SpecError(Diagnostic("E107", message, model.at(key), "write a block for more"))
        steps[key] = chain[0] if chain else None
    return Settings(steps["act"], steps["norm"], model.padding, model.bias)


def split_settings(arguments: Arguments) -> tuple[Arguments, Settings]:
    """Arguments of the document, and the settings given from outside as `settings.act` etc.

    Raises:
        SpecError: a setting is unknown (E101) or of the wrong kind (E113).
    """
    rest = {key: value for key, value in arguments.items() if not key.startswith(PREFIX)}
    settings = Settings()
    for key, given in arguments.items():
        if key in rest:
            continue
        match key.removeprefix(PREFIX), given.value:
            case "act", str(text):
                settings = replace(settings, act=parse_step(text, given.location))
            case "norm", str(text):
                settings = replace(settings, norm=parse_step(text, given.location))
            case "padding", str(text) if text in PADDINGS:
                settings = replace(settings, padding=text)
            case "bias", bool(flag):
                settings = replace(settings, bias=flag)
            case name, value if name in SettingsModel.known_keys():
                message = f"'{key}' cannot be {value!r}"
                raise SpecError(Diagnostic("E113", message, given.location))
            case name, _:
                hint = suggest(name, SettingsModel.known_keys(), "settings")
                message = f"unknown setting '{name}'"
                raise SpecError(Diagnostic("E101", message, given.location, hint))
    return rest, settings
