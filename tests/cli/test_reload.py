"""Subscriptions that change while ``kxmsg dev`` runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import orjson
import pytest

from kxmsg.bootstrap import App, memory_app
from kxmsg.cli.reload import reload, watch
from kxmsg.model.event import OWN_SOURCE, Event
from kxmsg.settings import Settings
from kxmsg.testing.stack import Stack
from kxmsg.testing.until import until
from kxmsg.topology import EVENTS
from tests.e2e.clients import frame, socket
from tests.product import USER, bundle, envelope

SECONDS = 20.0

STAY = "the subscriptions stay as they were"


def shop(text: str = "old", *, name: str = "shop", kind: str = "shipped") -> str:
    return f"""
eventSubscriptions:
  - name: {name}
    eventPattern: {{ source: [shop], detail-type: [{kind}] }}
    {"sample: sample.json" if kind == "shipped" else ""}
    notificationMapping:
      {kind}: {{ targetType: user, userId: "{{{{ detail.user }}}}", content: {text} }}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder with one subscription, in a folder of its own."""
    folder = tmp_path / "config"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "shop.yaml").write_text(shop())
    sample(folder)
    return folder


def sample(folder: Path, **detail: str) -> None:
    event = {"source": "shop", "detail-type": "shipped", "detail": detail or {"user": "ana"}}
    (folder / "shop" / "sample.json").write_bytes(orjson.dumps(event))


@pytest.fixture
async def app(config: Path, tmp_path: Path) -> AsyncIterator[App]:
    app = memory_app(settings=Settings(config=config, data=tmp_path / "data"))
    await app.prepare()
    yield app
    await app.close()


@pytest.fixture
async def said(app: App) -> AsyncIterator["asyncio.Queue[str]"]:
    """What is said while the folder is watched."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    stop = asyncio.Event()
    watching = asyncio.create_task(watch(app, stop, lines.put_nowait))
    await asyncio.sleep(0)  # its first step has begun to watch
    yield lines
    stop.set()
    await asyncio.wait_for(watching, SECONDS)


async def heard(said: "asyncio.Queue[str]", last: str) -> list[str]:
    """The lines up to that one."""
    lines = [await asyncio.wait_for(said.get(), SECONDS)]
    while lines[-1] != last:
        lines.append(await asyncio.wait_for(said.get(), SECONDS))
    return lines


def moved(folder: Path, name: str) -> Path:
    return folder.rename(folder.parent / name)


def names(app: App) -> list[str]:
    return [one.name for one in app.catalogue.subscriptions]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda config: (config / "shop" / "shop.yaml").write_text(shop(name="other")), ["other"]),
        (lambda config: (config / "shop" / "more.yml").write_text(shop(name="more")), ["more", "shop"]),
        (lambda config: (config / "shop" / "shop.yaml").unlink(), []),
        (lambda config: (config / "shop").rename(config.parent / "away"), []),
    ],
    ids=["changed", "added", "removed", "moved away"],
)
async def test_what_changes_in_the_folder_is_taken_over(
    app: App, said: "asyncio.Queue[str]", config: Path, change: Callable[[Path], object], left: list[str]
) -> None:
    change(config)
    await heard(said, f"reloaded: {len(left)} subscription{'s' if len(left) != 1 else ''}")
    assert names(app) == left


async def test_a_folder_that_was_away_is_watched_again(app: App, said: "asyncio.Queue[str]", config: Path) -> None:
    """Also where it is another one, as after a checkout."""
    away = moved(config, "away")
    assert "no such folder" in (await heard(said, STAY))[0]
    assert names(app) == ["shop"]
    moved(away, config.name)
    await heard(said, "reloaded: 1 subscription")
    moved(config, "old")
    (config / "shop").mkdir(parents=True)
    (config / "shop" / "shop.yaml").write_text(shop(name="new", kind="lost"))
    await heard(said, "reloaded: 1 subscription")
    await until(partial(_named, app, ["new"]))
    (config / "shop" / "more.yaml").write_text(shop(name="more", kind="lost"))
    await heard(said, "reloaded: 2 subscriptions")


async def _named(app: App, expected: list[str]) -> bool:
    return names(app) == expected


async def test_what_does_not_compile_is_told_and_changes_nothing_until_it_is_mended(
    app: App, said: "asyncio.Queue[str]", config: Path
) -> None:
    before = app.catalogue
    file = config / "shop" / "shop.yaml"
    file.write_text(shop(kind="lost").replace("userId", "usrId"))
    lines = await heard(said, STAY)
    assert lines[0].startswith(f"{file}:7:")
    assert "usrId" in " ".join(lines)
    assert app.catalogue is before
    assert app.bus.matches("shop", "shipped")
    assert not app.bus.matches("shop", "lost")

    file.write_text(shop(kind="lost"))
    await heard(said, "reloaded: 1 subscription")
    assert not app.bus.matches("shop", "shipped")
    assert app.bus.matches("shop", "lost")


async def test_a_sample_that_changes_is_checked_against(said: "asyncio.Queue[str]", config: Path) -> None:
    sample(config, customer="ana")
    lines = await heard(said, STAY)
    assert "'user'" in lines[0]
    sample(config)
    await heard(said, "reloaded: 1 subscription")


async def test_parts_that_were_made_before_go_by_the_new_subscriptions(config: Path) -> None:
    """Also where there was none at first, so that the bus led nowhere."""
    (config / "shop" / "shop.yaml").unlink()
    app = memory_app(settings=Settings(config=config))
    announcer, outbox = app.announcer, app.outbox
    await announcer.stored([bundle(USER, [envelope("n1")])])
    own = shop(kind="notification.created").replace("[shop]", f"[{OWN_SOURCE}]")
    (config / "shop" / "own.yaml").write_text(own.replace("{ targetType", "{ when: has(detail.x), targetType"))
    lines: list[str] = []
    await reload(app, lines.append)
    assert lines == ["reloaded: 1 subscription"]
    await announcer.stored([bundle(USER, [envelope("n2")])])
    _, owed = outbox.owe([Event(OWN_SOURCE, "notification.created", {"eventId": "e3", "notificationId": "n3"})])
    assert await outbox.publish(owed) == 1
    deliveries = await app.queue(EVENTS).receive(10, wait=0, visibility=30)
    assert {orjson.loads(one.body)["detail"]["notificationId"] for one in deliveries} == {"n2", "n3"}
    await app.close()


async def test_dev_says_what_is_wrong_goes_on_and_pushes_the_new_text_once_it_is_right(
    config: Path, tmp_path: Path
) -> None:
    event = config / "shop" / "sample.json"
    event.write_bytes(
        orjson.dumps({"source": "shop", "detail-type": "shipped", "detail": {"user": "ana", "tenantId": "acme"}})
    )
    commands = {"dev": ("dev",)}
    async with Stack(tmp_path / "data", config, commands=commands) as stack, socket(stack, "ana", "acme") as ana:
        await stack.run("emit", str(event))
        assert (await frame(ana))["content"] == "old"
        for content, told in (("{{ x }}", STAY), ("new", "reloaded: 1 subscription")):
            (config / "shop" / "shop.yaml").write_text(shop(content))
            await until(partial(_logged, stack, told))
        await stack.run("emit", str(event))
        assert (await frame(ana))["content"] == "new"


async def _logged(stack: Stack, line: str) -> bool:
    return line in stack.logs().splitlines()
