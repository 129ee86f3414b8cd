"""Settings come from the environment alone."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kxmsg.settings import Settings


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_defaults_need_nothing() -> None:
    settings = Settings()
    assert (settings.backend, settings.config, settings.data) == ("embedded", Path("config"), Path(".kxmsg"))
    assert (settings.host, settings.api_port, settings.gateway_port) == ("127.0.0.1", 8080, 8081)


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_each_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch, KXMSG_DATA="/d", KXMSG_API_PORT="1", LOG_LEVEL="ERROR", KXMSG_VISIBILITY="2.5")
    assert (settings.data, settings.api_port, settings.log_level, settings.visibility) == (Path("/d"), 1, "ERROR", 2.5)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(
        monkeypatch,
        KXMSG_ORIGINS=" https://a.example, https://b.example ,",
        KXMSG_GATEWAY_SECRETS=f"{'a' * 16},{'b' * 16}",
    )
    assert settings.origins == ["https://a.example", "https://b.example"]
    assert [secret.get_secret_value() for secret in settings.gateway_secrets] == ["a" * 16, "b" * 16]


def test_a_secret_is_not_shown() -> None:
    settings = Settings.model_validate({"gateway_secrets": "s3cret-s3cret-s3cret"})
    assert "s3cret" not in repr(settings)
    assert settings.gateway_secrets[0].get_secret_value() == "s3cret-s3cret-s3cret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KXMSG_BACKEND", "mysql"),
        ("KXMSG_API_PORT", "65536"),
        ("KXMSG_VISIBILITY", "0"),
        ("KXMSG_STOP_TIMEOUT", "5"),
        ("KXMSG_CONCURRENCY", "0"),
        ("KXMSG_GATEWAY_SECRETS", "short"),
        ("KXMSG_GATEWAY_SECRETS", ",".join(["x" * 16] * 3)),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_what_can_not_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        given(monkeypatch, **{name: value})
    (problem,) = refused.value.errors()
    wanted: Any = name if name == "LOG_LEVEL" else name.removeprefix("KXMSG_").lower()
    assert problem["loc"][0] == wanted


def test_they_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().data = Path("elsewhere")  # type: ignore[misc] # that is what is tested
