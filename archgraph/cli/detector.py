"""The detector that a command is told of: a spec with weights, or the folder of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archgraph.cli.options import make_library, parse_settings, refuse_with_run
from archgraph.cli.output import progress

if TYPE_CHECKING:
    from archgraph.detect import PostprocessSettings
    from archgraph.train.detector import Detector


@dataclass(frozen=True)
class Named:
    """What a command line says of a detector.

    Attributes:
        spec: a reference, or the folder of a run.
        settings: every `--set`.
        variant: of the spec.
        search: folders in which names are looked up before the library.
        weights: a file; of a run its best weights if not given.
        device: where it runs.
    """

    spec: str
    settings: Sequence[str] | None
    variant: str
    search: Sequence[Path] | None
    weights: Path | None
    device: str

    @property
    def run(self) -> Path | None:
        """The folder of the run, if it is one."""
        from archgraph.train.runs import is_run

        return Path(self.spec) if self.spec and is_run(self.spec) else None

    @property
    def untrained(self) -> bool:
        """Whether it has initial weights only."""
        return self.weights is None and self.run is None

    def open(self, postprocess: PostprocessSettings, names: Sequence[str] = ()) -> Detector:
        """The detector.

        Raises:
            UsageError: E125, something about a spec is said of a run.
        """
        if self.run is not None:
            refuse_with_run(self.settings, self.variant, self.search)
            with progress(f"loading {self.spec}"):
                from archgraph.train.fit import load_detector

                return load_detector(
                    self.run, weights=self.weights, postprocess=postprocess, device=self.device
                )
        arguments, library = parse_settings(self.settings), make_library(self.search)
        with progress(f"compiling {self.spec}"):
            from archgraph.train.detector import make_detector

            return make_detector(
                self.spec,
                arguments=arguments,
                library=library,
                variant=self.variant,
                weights=self.weights,
                class_names=names,
                postprocess=postprocess,
                device=self.device,
            )

    def facts(self) -> Mapping[str, str]:
        """What tells it from others, by its weights too."""
        found = {"model": " ".join([self.spec, *([self.variant] if self.variant else [])])}
        if self.settings:
            found["set"] = " ".join(sorted(self.settings))
        weights = self.weights
        if weights is None and self.run is not None:
            from archgraph.train.fit import RunFolder

            weights = RunFolder(self.run).weights
        if weights is not None:
            with weights.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found["weights"] = f"{weights} (sha256 {digest[:16]})"
        return found
