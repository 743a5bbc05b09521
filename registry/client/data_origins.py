"""Edges between datasets that were found at a registration, stated after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.client import errors
from registry.client.api.lineage import Lineage
from registry.client.detect import DataOrigin
from registry.client.http.transport import Transport


def state(transport: Transport, origins: Sequence[DataOrigin]) -> Iterator[str]:
    """State what data was made from; yield a warning for each that cannot be stated.

    Edges that are there stay, and so do retracted ones. Ends where the caller may not add lineage, or the registry is
    of an earlier release.
    """
    lineage = Lineage(transport)
    for origin in origins:
        name = origin.dataset["name"]
        try:
            lineage.add_data(
                origin.dataset,
                part_of=origin.part_of or None,
                transformed_from=origin.transformed_from or None,
                job=origin.job,
                reinstate=False,
                reason=origin.reason,
            )
        except (errors.Forbidden, errors.NotFound) as error:
            yield f"what the data was made from is not recorded: {error.detail}"
            return
        except errors.RegistryError as error:
            yield f"what {name} was made from is not recorded: {error.detail}"
