"""The parameters of a database's address: what the operator says there is used."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from registry.db.schema import connected
from tests.support.databases import Database


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_parameters_of_the_address_win_over_our_own(database: Database) -> None:
    theirs = {"connect_timeout": "50", "application_name": "theirs", "options": "-c statement_timeout=77s"}
    url = make_url(database.url).update_query_dict(theirs).render_as_string(hide_password=False)

    with connected(url) as connection:
        settings = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("application_name", "statement_timeout", "lock_timeout")
        }
        line = connection.connection.driver_connection.info.get_parameters()

    assert settings == {"application_name": "theirs", "statement_timeout": "77s", "lock_timeout": "8s"}
    assert (line["connect_timeout"], line["keepalives_idle"]) == ("50", "10")
