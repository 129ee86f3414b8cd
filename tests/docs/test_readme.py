"""README shows what really appears on the screen."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from kxmsg.cli.listen import _line
from kxmsg.codecs import native
from kxmsg.model.envelope import Bundle, Entry, Envelope
from kxmsg.subscriptions import Defaults, load
from kxmsg.testing.stack import Stack
from tests.docs.pages import ROOT, snippets

README = ROOT / "README.md"
SAMPLES = (
    "orders/samples/order-shipped",
    "incidents/samples/incident-opened",
    "leads/samples/lead-created",
    "maintenance/samples/maintenance-scheduled",
)


def outputs() -> Iterator[list[str]]:
    """What README shows as output."""
    for snippet in snippets("", README):
        yield snippet.text.splitlines()


def without_time(line: str) -> str:
    return re.sub(r"^\d\d:\d\d:\d\d ", "", line)


def shown(sample: str) -> str:
    """The line that ``kxmsg listen`` prints for a sample, but for its time."""
    catalogue = load(ROOT / "config")
    event = orjson.loads((ROOT / "config" / f"{sample}.json").read_bytes())
    (hit,) = catalogue.hits(event)
    template = catalogue.template(hit, event["detail-type"])
    assert template is not None
    rendered = template.render(event, Defaults())
    assert rendered is not None
    ((tenant, target),) = rendered.places
    envelope = Envelope("ID", tenant, target, template.kind, "fifo", rendered.payload, 1_795_185_306_000)
    entry = Entry(1, envelope)
    return without_time(_line(orjson.loads(native.frame(Bundle(tenant, target, "fifo", "EPOCH", (entry,)), entry))))


def test_the_listener_s_lines_are_those_of_the_samples() -> None:
    """In the order in which README emits them."""
    (lines,) = (lines for lines in outputs() if "user#ana" in lines[0])
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert [without_time(line) for line in lines] == [shown(sample) for sample in SAMPLES]


async def test_the_welcome_is_that_of_dev(tmp_path: Path) -> None:
    """But for folders, ports and the token."""
    (lines,) = (lines for lines in outputs() if lines[0].startswith("kxmsg is up"))
    async with Stack(tmp_path / "data", ROOT / "config", commands={"dev": ("dev",)}) as stack:
        settings = stack.settings
        await stack.terminate()
        said = stack.logs()
    own = {
        f"{settings.data}/": ".kxmsg/",
        f"{settings.config}/": "config/",
        f":{settings.api_port}": ":8080",
        f":{settings.gateway_port}": ":8081",
    }
    for real, documented in own.items():
        said = said.replace(real, documented)
    assert _tokens_hidden(said.splitlines()) == _tokens_hidden(lines)


def _tokens_hidden(lines: list[str]) -> list[str]:
    return ["TOKEN" if line.startswith("eyJ") else line for line in lines]
