"""Commands that look: ``token``, ``settings``, ``health``."""

import os
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest

from kxmsg.settings import Settings
from tests.cli.conftest import Kxmsg


def test_token_prints_a_token_and_nothing_else(kxmsg: Kxmsg) -> None:
    done = kxmsg("token", "--user", "ana", "--tenant", "acme", "--role", "admin", "--role", "bot", "--ttl", 60)
    assert (done.status, done.err, len(done.out.split())) == (0, "", 1)
    claims = jwt.decode(done.out.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["tenantId"], claims["roles"]) == ("ana", "acme", ["admin", "bot"])
    assert claims["exp"] - claims["iat"] == 60


def test_tokens_of_one_folder_are_signed_with_one_key(kxmsg: Kxmsg) -> None:
    tokens = [kxmsg("token", "--user", user, "--tenant", "acme").out.strip() for user in ("ana", "bo")]
    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 1


@pytest.mark.parametrize(("user", "tenant", "named"), [("a#b", "acme", "--user"), ("ana", "", "--tenant")])
def test_token_refuses_what_can_be_no_id(kxmsg: Kxmsg, user: str, tenant: str, named: str) -> None:
    done = kxmsg("token", "--user", user, "--tenant", tenant)
    assert (done.status, done.out) == (2, "")
    assert named in done.err


def test_a_data_folder_that_can_not_be_used_is_3(kxmsg: Kxmsg, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in its place")
    done = kxmsg("token", "--user", "ana", "--tenant", "acme")
    assert done.status == 3
    assert str(tmp_path / "data") in done.err
    assert "KXMSG_DATA" in done.err


def test_settings_lists_all_with_their_values_and_hides_secrets(kxmsg: Kxmsg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KXMSG_GATEWAY_SECRETS", "s3cret-s3cret-s3cret")
    monkeypatch.setenv("KXMSG_ORIGINS", "https://[a].example,https://b.example")
    done = kxmsg("settings")
    assert done.status == 0
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert set(lines) - {"setting"} == {
        "LOG_LEVEL" if name == "log_level" else f"KXMSG_{name.upper()}" for name in Settings.model_fields
    }
    assert "https://[a].example,https://b.example" in lines["KXMSG_ORIGINS"]
    assert "Port of the REST API." in lines["KXMSG_API_PORT"]
    assert "s3cret" not in done.out


def test_health_without_any_worker_is_1(kxmsg: Kxmsg, tmp_path: Path) -> None:
    done = kxmsg("health")
    assert (done.status, done.err) == (1, f"{tmp_path}/data/health: no worker runs here\n")


def test_health_tells_who_moves_who_stands_still_and_who_is_gone(kxmsg: Kxmsg, tmp_path: Path) -> None:
    health = tmp_path / "data" / "health"
    health.mkdir(parents=True)
    (health / f"fanout-{os.getpid()}").touch()
    assert (kxmsg("health").status, kxmsg("health").out) == (0, "all workers move\n")
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (health / f"scheduler-{int(gone.stdout)}").touch()
    still = health / f"storage-writer-{os.getpid()}"
    still.touch()
    os.utime(still, (0, time.time() - 60))
    done = kxmsg("health")
    assert (done.status, done.out) == (1, "")
    assert len(done.err.splitlines()) == 2
    assert "scheduler: process" in done.err
    assert "storage-writer: process" in done.err
