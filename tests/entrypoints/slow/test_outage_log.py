"""The API logs an outage of the database once with its cause, and its end; each refused request has its own line."""

from pathlib import Path

from entrypoints.devserver import engines
from tests.entrypoints.conftest import migrate
from tests.support.service import PASSWORD, DatabaseFactory, Service, code, eventually, unique_email


def test_database_outage_is_logged_at_its_beginning_and_end(databases: DatabaseFactory, tmp_path: Path) -> None:
    _, redis_url = databases()
    with engines.postgres(tmp_path / "postgres", durable=False) as postgres:
        migrate(postgres.url)
        service = Service(tmp_path, postgres.url, redis_url, processes=1)
        try:
            api = service.start_api()
            client = service.client()

            def logged(event: str) -> list[str]:
                return [line for line in api.log.read_text().splitlines() if event in line]

            assert logged("database_") == []
            postgres.kill()
            for _ in range(5):
                answer = client.post("/v1/login", json={"login": unique_email(), "password": PASSWORD})
                assert code(answer) == "unavailable"
            eventually(lambda: len(logged("code=unavailable")) == 5)
            assert all("[error" in line for line in logged("code=unavailable"))
            [line] = logged("database_unavailable")
            assert "Error" in line.split("problem=")[1]
            postgres.start()
            eventually(lambda: logged("database_recovered"))
            assert len(logged("database_")) == 2
            assert postgres.password not in api.log.read_text()
        finally:
            service.close_clients()
            service.stop()
