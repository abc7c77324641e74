"""What a pass is, and how one is run: verify, rewrite a private copy, verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from archgraph.errors import ArchgraphError, Diagnostic, Location, PassError
from archgraph.ir import Model, Stage, verify


@dataclass(frozen=True)
class Rewrites:
    """What a pass did: the new model, and one line per rewrite in the user's names.

    `kept` are lines about what it decided to leave, and why; they are no rewrites.
    """

    model: Model
    log: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pass:
    """A rewrite of a model. A frozen dataclass; its fields are its options.

    `rewrite` gets a copy of the graph that it may edit freely. `location` is where a document
    lists the pass, for errors that concern the pass as a whole.
    """

    name: ClassVar[str]
    stage: ClassVar[Stage]

    location: Location | None = field(default=None, compare=False, repr=False, kw_only=True)

    def rewrite(self, model: Model) -> Rewrites:
        """Rewrite the model.

        Raises:
            PassError: the pass cannot do this on this graph.
            SpecError: the pass met a mistake in the spec.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class PassResult:
    """One run of a pass: the models before and after, and its log."""

    name: str
    before: Model
    after: Model
    log: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def rewrites(self) -> int:
        """How many rewrites were made."""
        return len(self.log)


def run_pass(step: Pass, model: Model) -> PassResult:
    """Run one pass. The given model is never changed.

    Raises:
        PassError: the pass is for another stage, or refuses.
        VerifyError: the graph broke its rules before or after the pass.
    """
    if model.graph.stage is not step.stage:
        message = (
            f"pass '{step.name}' works at stage {step.stage.value};"
            f" the graph is at {model.graph.stage.value}"
        )
        raise PassError(Diagnostic("E403", message))
    verify(model.graph)
    try:
        done = step.rewrite(Model(model.graph.copy(), model.blocks))
    except ArchgraphError as error:
        found = [replace(d, location=d.location or step.location) for d in error.diagnostics]
        raise type(error)(found) from None
    verify(done.model.graph, after=step.name)
    return PassResult(step.name, model, done.model, done.log, done.kept)


def run_pipeline(steps: Sequence[Pass], model: Model) -> list[PassResult]:
    """Run passes in order, each on the result of the one before."""
    results: list[PassResult] = []
    for step in steps:
        results.append(run_pass(step, model))
        model = results[-1].after
    return results
