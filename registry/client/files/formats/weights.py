"""Facts of a file of weights that its header states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Weights:
    """``dtypes`` are the numbers of parameters by type, as NumPy and PyTorch call it.

    ``framework`` and the facts after it are None unless the header states them. ``base_models`` are URLs.
    """

    dtypes: Counter[str] = field(default_factory=Counter)
    framework: str | None = None
    architecture: str | None = None
    license: str | None = None
    quantization: str | None = None
    base_models: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        return self.dtypes.total()

    @property
    def dtype(self) -> str | None:
        """The quantization, or the type of the most parameters; None without parameters."""
        return self.quantization or next((name for name, number in self.dtypes.most_common(1) if number), None)


def together(shards: Iterable[Weights]) -> Weights:
    """Return the facts of weights that lie in several files; the first has all but the tensors."""
    first, *others = shards
    return Weights(
        sum((one.dtypes for one in others), first.dtypes),
        first.framework,
        first.architecture,
        first.license,
        first.quantization,
        first.base_models,
    )
