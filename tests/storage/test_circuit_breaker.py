"""The breaker's rule, against a second telling of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from registry.storage.circuit_breaker import FAILURES, REST, TRIAL, WINDOW, Breaker


class Life(RuleBasedStateMachine):
    """Callers ask, fail and succeed as time goes on; beside it, a plain record of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(), 1000.0
        self.failures: list[float] = []
        self.opened: float | None = None
        self.trial: float | None = None

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, REST, WINDOW, TRIAL + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def fail(self) -> None:
        self.breaker.failed(self.now)
        self.failures.append(self.now)
        recent = [moment for moment in self.failures if self.now - moment <= WINDOW]
        if self.opened is not None or len(recent) >= FAILURES:
            self.opened, self.trial = self.now, None

    @rule()
    def succeed(self) -> None:
        self.breaker.succeeded()
        if self.opened is not None:
            self.failures.clear()
        self.opened = self.trial = None

    @rule()
    def ask(self) -> None:
        allowed = self.breaker.wait(self.now) == 0
        tried = self.trial is not None and self.now < self.trial + TRIAL
        rests = self.opened is not None and (self.now < self.opened + REST or tried)
        assert allowed == (not rests)
        if self.opened is not None and allowed:
            self.trial = self.now

    @invariant()
    def no_caller_waits_longer_than_a_rest(self) -> None:
        assert 0 <= self.breaker.wait(self.now, tries=False) <= REST


test_the_breaker_is_open_when_and_only_when_its_rule_says_so = Life.TestCase
