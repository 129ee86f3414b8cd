"""kxmsg.aws.wire.endpoint reads URLs, and refuses what it can't go to."""

import pytest

from kxmsg.aws.wire.endpoint import Endpoint
from kxmsg.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "endpoint", "authority"),
    [
        (
            "https://sqs.eu-central-1.amazonaws.com",
            Endpoint("sqs.eu-central-1.amazonaws.com", 443, True),
            "sqs.eu-central-1.amazonaws.com",
        ),
        ("http://127.0.0.1:4566/", Endpoint("127.0.0.1", 4566, False), "127.0.0.1:4566"),
        ("https://Host.example:443/prod/", Endpoint("host.example", 443, True, "/prod"), "host.example"),
        ("http://host:443", Endpoint("host", 443, False), "host:443"),
        ("http://[::1]:8080/a%20b", Endpoint("::1", 8080, False, "/a%20b"), "[::1]:8080"),
    ],
    ids=["AWS", "emulator", "stage", "other scheme's port", "IPv6"],
)
def test_urls_are_read(url: str, endpoint: Endpoint, authority: str) -> None:
    assert Endpoint.parse(url) == endpoint
    assert endpoint.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqs.eu-central-1.amazonaws.com",
        "wss://host",
        "https://",
        "https://host:port",
        "https://host:99999",
        "https://ho st",
        "https://user:hunter2@host",
        "https://host/?hunter2",
        "https://host/#hunter2",
        "https://host/a b",
        "https://host/%zz",
        "https://host//double",
    ],
)
def test_other_urls_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="write https://host") as caught:
        Endpoint.parse(url)
    assert "hunter2" not in str(caught.value)
