"""The pages list every error code with the status and the exit code that the code has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.cli.support.exit_codes import BY_CODE, MEANINGS, exit_code
from registry.domain.errors import RegistryError
from registry.http.statuses import FRAMEWORK_CODES, status_of
from tests.docs.pages import DOCS


def test_every_code_of_the_api_is_on_the_page_with_its_status_and_exit_code() -> None:
    codes = {code: status for status, code in FRAMEWORK_CODES.items()}
    codes |= {kind.code: status_of(kind) for kind in kinds(RegistryError) if "code" in vars(kind)} | {"internal": 500}

    assert rows("## Error codes") == {code: (status, int(exit_code(code, status))) for code, status in codes.items()}


def test_every_code_of_the_client_is_on_the_page_with_its_exit_code() -> None:
    of_the_api = rows("## Error codes")
    expected = {code: int(number) for code, number in BY_CODE.items() if code not in of_the_api}

    found = {code: number for code, (number,) in rows("### Errors of the client").items()}

    assert found == expected


def test_every_exit_code_is_on_the_page_with_its_meaning() -> None:
    section = (DOCS / "command-line.md").read_text().split("## Exit codes\n")[1]

    found = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)}

    assert found == {int(code): meaning for code, meaning in MEANINGS.items()}


def kinds(kind: type[RegistryError]) -> Iterator[type[RegistryError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from kinds(inner)


def rows(heading: str) -> dict[str, tuple[int, ...]]:
    """Return the numbers of each row of the table below *heading*, by code."""
    section = (DOCS / "api.md").read_text().split(f"{heading}\n")[1].split("\n##")[0]
    found = re.findall(r"^\| `(\w+)` \|((?: \d+ \|)+)", section, re.MULTILINE)
    return {code: tuple(int(number) for number in re.findall(r"\d+", numbers)) for code, numbers in found}
