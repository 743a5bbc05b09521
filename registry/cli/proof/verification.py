"""Verify a registry from outside, with nothing but what its API gives to an auditor.

The seals of entries need the service's key and the rows behind the answers need its database: ``--local`` has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from registry.cli.proof import answers, governance
from registry.cli.proof.walk import Walk
from registry.domain.replay import access as access_log
from registry.domain.replay import checkpoints as checkpoint_log
from registry.domain.replay import model as model_log
from registry.domain.replay import restorations as restoration_log
from registry.domain.replay import storage as storage_log
from registry.domain.replay.chain import Broken, Unfamiliar
from registry.domain.replay.entry import Unreplayable

if TYPE_CHECKING:
    from registry.client import RegistryClient
    from registry.client.types import ChainEntryView, HeadView

LOG, AUTH, STORAGE, REGISTRY = "log", "auth", "storage", "registry"
ACTIONS = {AUTH: frozenset(access_log.ACTIONS), STORAGE: frozenset(storage_log.ACTIONS)}
MODEL_ACTIONS = frozenset(model_log.ACTIONS)
SHOWN = 20
ATTEMPTS = 3  # to find a moment in which a model does not change between its log and its answers


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Result of verifying one chain: ``problems`` are differences, ``uncovered`` could not be judged.

    ``redacted`` counts the texts that were erased, each by an entry.
    """

    aggregate: str
    entries: int
    problems: Sequence[str] = ()
    uncovered: Sequence[str] = ()
    label: str = ""
    baseline: str | None = None
    redacted: int = 0

    @property
    def is_whole(self) -> bool:
        """Return whether everything is accounted for."""
        return not self.problems and not self.uncovered


def verify(registry: RegistryClient, *, model: str | None = None) -> Iterator[ChainReport]:
    """Verify every chain, or those of the models that have or had the name *model*. Raises NotFound.

    Entries that are written in the meantime are checked as far as they are read. Memory grows with the longest chain.
    """
    verification = _Verification(registry)
    yield verification.begin()
    if model is not None:
        for head in registry.audit.chains(model=model):
            yield verification.chain(head["chain"], registry.audit.chain_entries(head["chain"]))
        return
    for chain, entries in groupby(registry.audit.chain_entries(), key=lambda entry: entry["chain"]):
        if chain != LOG:
            yield verification.chain(chain, entries)
    yield from verification.left_over()


class _Verification:
    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry
        self._heads: dict[str, HeadView] = {head["chain"]: head for head in registry.audit.chains()}
        self._checkpoints: dict[str, tuple[int, str]] = {}
        self._walked: set[str] = set()

    def begin(self) -> ChainReport:
        """Verify the chain with the checkpoints, which name entries of the others."""
        return self.chain(LOG, self._registry.audit.chain_entries(LOG))

    def chain(self, chain: str, entries: Iterable[ChainEntryView]) -> ChainReport:
        """Verify one chain, and what the API answers from it."""
        self._walked.add(chain)
        head = self._heads.get(chain) or self._head_now(chain)
        label = (head and head["model"]) or ""
        report = self._attempt(chain, entries, head, label)
        for _ in range(ATTEMPTS - 1):
            before = report.entries
            if not report.problems:
                return report
            report = self._attempt(chain, self._registry.audit.chain_entries(chain), head, label)
            if report.entries == before:
                return report
        if not report.problems:
            return report
        changing = "it changed each time between the reading of its log and of the answers; verify it again"
        return ChainReport(chain, report.entries, (), [changing], label)

    def left_over(self) -> Iterator[ChainReport]:
        """Report heads without entries, and chains that exist in a checkpoint only."""
        for chain in sorted((self._heads.keys() | self._checkpoints.keys()) - self._walked):
            head = self._heads.get(chain)
            if head is None:
                seq = self._checkpoints[chain][0]
                yield ChainReport(chain, 0, [f"the chain and its owner are gone; a checkpoint names entry {seq}"])
            elif head["entries"]:
                yield ChainReport(chain, 0, [f"all of its {head['entries']} entries are gone"], (), head["model"] or "")
            elif head["model"]:
                yield ChainReport(chain, 0, ["it has no entries, and every model has one"], (), head["model"])

    def _attempt(self, chain: str, entries: Iterable[ChainEntryView], head: HeadView | None, label: str) -> ChainReport:
        known = [self._checkpoints[chain]] if chain in self._checkpoints else []
        known += [(head["entries"], head["head"])] if head and head["entries"] else []
        conflict = len({leaf for seq, leaf in known if seq == known[0][0]}) > 1
        walk = Walk(
            chain,
            known=dict(known),
            actions=ACTIONS.get(chain, frozenset() if ":" not in chain else MODEL_ACTIONS),
        )
        steps = walk.entries(entries)
        try:
            if conflict:
                raise Broken("its head is not the entry that a checkpoint names")
            if chain == LOG:
                self._checkpoints = checkpoint_log.replay(steps).heads
                differences: Iterable[str] = ()
            elif chain == AUTH:
                differences = answers.access(self._registry, access_log.replay(steps))
            elif chain == STORAGE:
                storage_log.replay(steps)
                differences = ()
            elif chain == REGISTRY:
                differences = governance.of_all_models(self._registry, restoration_log.replay(steps))
            elif chain.startswith("model:"):
                differences = answers.model(self._registry, chain.removeprefix("model:"), model_log.replay(steps))
            else:
                raise Unfamiliar("the chain is unknown to this release")
            walk.end(head)
            problems = list(differences)
        except Unfamiliar as problem:
            return ChainReport(chain, walk.seq, (), [str(problem)], label)
        except Broken as problem:
            return ChainReport(chain, walk.seq, [str(problem)], (), label)
        except Unreplayable as problem:
            return ChainReport(chain, walk.seq, [f"entry {walk.seq}: {problem}"], (), label)
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        return ChainReport(chain, walk.seq, problems[:SHOWN] + more, (), label, redacted=walk.redacted)

    def _head_now(self, chain: str) -> HeadView | None:
        """Look for the owner of a chain that began after the heads were read."""
        self._heads |= {
            head["chain"]: head for head in self._registry.audit.chains() if head["chain"] not in self._heads
        }
        return self._heads.get(chain)
