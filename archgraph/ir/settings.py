"""The habits of a network that blocks inherit from where they are used."""

from __future__ import annotations

from dataclasses import dataclass

from archgraph.expressions import Attributes, Scalar, Step, parse_step

PADDINGS = ("symmetric", "same")
INITS = ("torch", "he-normal", "glorot-uniform", "lecun-normal")


@dataclass(frozen=True)
class Settings:
    """Inherited settings; None means "as inherited".

    `act` and `norm` are the steps that `use: act` and `use: norm` stand for; `padding` is
    `symmetric` (PyTorch's habit) or `same` (TensorFlow's, the odd pixel at bottom and right);
    `bias` is whether a convolution that a norm follows has a bias; `init` is how weights of
    convolutions are drawn before training, by default as torch does.
    """

    act: Step | None = None
    norm: Step | None = None
    padding: str | None = None
    bias: bool | None = None
    init: str | None = None

    def updated(self, over: Settings) -> Settings:
        """These settings with everything that `over` says."""
        return Settings(
            over.act or self.act,
            over.norm or self.norm,
            over.padding or self.padding,
            self.bias if over.bias is None else over.bias,
            over.init or self.init,
        )

    def attributes(self) -> Attributes:
        """What expressions see as `settings.bias`."""
        found: dict[str, Scalar] = {}
        if self.bias is not None:
            found["bias"] = self.bias
        return found

    def __bool__(self) -> bool:
        """Whether anything is said at all."""
        return self != INHERIT


INHERIT = Settings()
ROOT_SETTINGS = Settings(
    act=parse_step("relu"),
    norm=parse_step("batch-norm eps=1e-5 momentum=0.1"),
    padding="symmetric",
    bias=False,
    init="torch",
)
