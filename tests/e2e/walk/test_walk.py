"""The walk through CONTRACT sections 3 and 4, on each backend; see the package's docstring."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from kxmsg.testing.stack import Stack
from tests.aws.conftest import emulator
from tests.aws.emulator import ACCOUNT, REGION, Emulator
from tests.e2e.conftest import installed
from tests.e2e.walk import answers, inbox, people, rooms, talk
from tests.e2e.walk.walker import AUDIT, SUBSCRIPTIONS, Walk

__all__ = ["emulator"]

WALKS = [walk for module in (inbox, talk, rooms, people, answers) for walk in module.WALKS]

WORKER = "audit:worker"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Of the backend: the default's, or that of an installation at the emulator."""
    if request.param == "embedded":
        return {}
    running: Emulator = request.getfixturevalue("emulator")
    return {**running.environment, "KXMSG_BACKEND": "aws", "KXMSG_PREFIX": f"w-{uuid4().hex[:12]}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Walk]:
    """``kxmsg dev`` with a user's worker beside it, which writes down the product's own events."""
    folder: Path = tmp_path_factory.mktemp("walk")
    (folder / "config").mkdir()
    prefix = environment.get("KXMSG_PREFIX", "kx-notifications")
    subscriptions = SUBSCRIPTIONS.format(region=REGION, account=ACCOUNT, prefix=prefix)
    (folder / "config" / "walk.yaml").write_text(subscriptions)
    (folder / "audit.py").write_text(AUDIT)
    audit = folder / "events.ndjson"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():  # the test itself asks for secrets, as a user's program would
            patch.setenv(name, value)
        stack = Stack(
            folder / "data",
            folder / "config",
            commands={"audit": ("worker", WORKER), "dev": ("dev",)},
            environment={"PYTHONPATH": str(folder), "AUDIT_FILE": str(audit)},
        )
        async with installed(stack, "--worker", WORKER) as running, aiohttp.ClientSession() as session:
            yield Walk(running, audit, session)


@pytest.mark.parametrize("environment", ["embedded", "aws"], indirect=True, scope="module")
class TestWalk:
    """On one backend."""

    @pytest.mark.parametrize(
        "steps", WALKS, ids=lambda steps: f"{steps.__module__.rpartition('.')[2]}-{steps.__name__}"
    )
    async def test_it_is_as_the_contract_says(self, walk: Walk, steps: object) -> None:
        """What each walk says."""
        assert callable(steps)
        await steps(walk)

    async def test_no_operation_of_the_api_was_left_out(self, walk: Walk) -> None:
        """Each was answered with a success, at least once."""
        document = (await walk.request("GET", "/openapi.json", {})).body
        assert walk.missed(document) == []
