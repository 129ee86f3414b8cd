"""A worker that a user has written, beside the product's, with a queue and dead letters of its own."""

from pathlib import Path

import pytest

from kxmsg.testing.stack import Stack
from kxmsg.testing.until import until
from tests.e2e.conftest import CONFIG, installed

SHIPPED = CONFIG / "orders/samples/order-shipped.json"

NAME = "shop:worker"

SHOP = """
from kxmsg import Context, Worker
from kxmsg.errors import Poison
from kxmsg.model.envelope import Bundle

worker = Worker("shop", queue="shop", subscribes={"outbound": {"kind": ["notification"]}})


@worker.handler
async def sell(bundles: list[Bundle], context: Context) -> None:
    for index, bundle in enumerate(bundles):
        context.fail(index, Poison(f"no shop for {bundle.entries[0].envelope.target.id}"))
"""


@pytest.mark.usefixtures("backend")
async def test_it_gets_what_goes_out_and_its_dead_letters_are_shown_and_sent_back(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    commands = {"dev": ("dev",), "shop": ("worker", NAME)}
    path = {"PYTHONPATH": str(tmp_path)}
    async with installed(
        Stack(tmp_path / "data", CONFIG, commands=commands, environment=path), "--worker", NAME
    ) as stack:
        assert (await stack.run("emit", str(SHIPPED)))[0] == 0
        (letter,) = await until(lambda: _letters(stack))
        assert "no shop for ana" in letter
        assert (await stack.run("dlq", "redrive", "shop", "--worker", NAME))[:2] == (0, "1 sent back to shop\n")
        assert (await stack.run("health"))[:2] == (0, "all workers move\n")
        (again,) = await until(lambda: _letters(stack))
        assert again.split()[1] != letter.split()[1]


async def _letters(stack: Stack) -> list[str]:
    """The lines of ``kxmsg dlq list``, without its head."""
    _, out, _ = await stack.run("dlq", "list", "shop", "--worker", NAME)
    return out.splitlines()[1:]
