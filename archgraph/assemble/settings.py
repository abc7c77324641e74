"""Settings of documents, and those given from outside."""

from __future__ import annotations

from dataclasses import replace

from archgraph.errors import Diagnostic, SpecError, suggest
from archgraph.expressions import Step, parse_step
from archgraph.ir import INITS, PADDINGS, Settings
from archgraph.spec import Arguments, SettingsModel, steps_of

PREFIX = "settings."
_EXPECTED = {"act": "a step", "norm": "a step", "padding": "same or symmetric"}
_EXPECTED |= {"bias": "true or false", "init": f"one of {', '.join(INITS)}"}


def settings_of(model: SettingsModel) -> Settings:
    """Settings as written in a document.

    Raises:
        SpecError: `act` or `norm` is not one step.
    """
    steps: dict[str, Step | None] = {}
    for key in ("act", "norm"):
        chain = steps_of(getattr(model, key), model, key)
        if chain == ():
            message = f"'{key}' cannot be 'none'"
            example = "conv-norm" if key == "act" else "separable-conv"
            hint = f"use blocks that have no '{key}', such as {example}"
            raise SpecError(Diagnostic("E107", message, model.at(key), hint))
        if chain is not None and len(chain) != 1:
            message = f"'{key}' is one step"
            raise SpecError(Diagnostic("E107", message, model.at(key), "write a block for more"))
        steps[key] = chain[0] if chain else None
    return Settings(steps["act"], steps["norm"], model.padding, model.bias, model.init)


def split_settings(arguments: Arguments) -> tuple[Arguments, Settings, list[Diagnostic]]:
    """Arguments of the document, settings given from outside as `settings.act` etc., faults.

    Faults are a setting that is unknown (E101), of the wrong kind (E113) or no step (E306).
    """
    found: list[Diagnostic] = []
    rest = {key: value for key, value in arguments.items() if not key.startswith(PREFIX)}
    settings = Settings()
    for key, given in arguments.items():
        if key in rest:
            continue
        match key.removeprefix(PREFIX), given.value:
            case ("act" | "norm") as name, str(text):
                try:
                    step = parse_step(text, given.location)
                    over = Settings(act=step) if name == "act" else Settings(norm=step)
                    settings = settings.updated(over)
                except SpecError as error:
                    found.extend(error.diagnostics)
            case "padding", str(text) if text in PADDINGS:
                settings = replace(settings, padding=text)
            case "init", str(text) if text in INITS:
                settings = replace(settings, init=text)
            case "bias", bool(flag):
                settings = replace(settings, bias=flag)
            case "init", str(text) if text in INITS:
                settings = replace(settings, init=text)
            case name, value if name in SettingsModel.known_keys():
                message = f"'{key}' cannot be {value!r}; expected {_EXPECTED[name]}"
                found.append(Diagnostic("E113", message, given.location))
            case name, _:
                hint = suggest(name, SettingsModel.known_keys(), "settings")
                message = f"unknown setting '{name}'"
                found.append(Diagnostic("E101", message, given.location, hint))
    return rest, settings, found
