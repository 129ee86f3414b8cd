"""Scale-in protection."""

import asyncio
from random import Random
from typing import Any

import pytest
from aiohttp import web

from kxmsg.runtime.protection import Protection, ask_agent
from kxmsg.testing.virtual import run


class Agent:
    """Notes what is asked and when; refuses the first ``refusals`` requests."""

    def __init__(self, refusals: int = 0) -> None:
        self.asked: list[tuple[float, bool]] = []
        self._refusals = refusals

    async def __call__(self, body: dict[str, Any]) -> None:
        self.asked.append((round(asyncio.get_running_loop().time()), body["ProtectionEnabled"]))
        if len(self.asked) <= self._refusals:
            raise RuntimeError("throttled")


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def test_it_is_toggled_on_the_edges_only() -> None:
    """However much comes and goes in between; a short lull is none."""

    async def scenario() -> None:
        agent = Agent()
        protection = Protection(agent, Random(1))
        task = asyncio.create_task(protection.run())
        await asyncio.sleep(100)
        for _ in range(50):
            protection.enter()
            await asyncio.sleep(1)
            protection.leave()
            await asyncio.sleep(1)
        await asyncio.sleep(100)
        assert [enabled for _, enabled in agent.asked] == [True, False]
        assert agent.asked[0][0] == 100
        assert 200 <= agent.asked[1][0] <= 220
        await ended(task)

    run(scenario())


def test_it_is_renewed_before_it_expires() -> None:
    """Work may take hours."""

    async def scenario() -> None:
        agent = Agent()
        protection = Protection(agent, Random(1))
        protection.enter()
        task = asyncio.create_task(protection.run())
        await asyncio.sleep(4000)
        assert agent.asked == [(0, True), (1800, True), (3600, True)]
        await ended(task)
        assert agent.asked[-1] == (4000, False)

    run(scenario())


def test_a_refusal_is_tried_again_with_back_off() -> None:
    """The work goes on meanwhile."""

    async def scenario() -> None:
        agent = Agent(refusals=4)
        protection = Protection(agent, Random(1))
        protection.enter()
        task = asyncio.create_task(protection.run())
        await asyncio.sleep(300)
        assert len(agent.asked) == 5
        await ended(task)

    run(scenario())


TASK = "arn:aws:ecs:us-west-2:111122223333:task/1234567890abcdef0"
GRANTED = {"protection": {"ExpirationDate": "2023-12-20T21:57:44.837Z", "ProtectionEnabled": True, "TaskArn": TASK}}
BLOCKED = {"failure": {"Arn": TASK, "Detail": None, "Reason": "DEPLOYMENT_BLOCKED"}}
DENIED = {
    "requestID": "12345-abc-6789-0123-abc",
    "error": {"Arn": TASK, "Code": "AccessDeniedException", "Message": "not authorized: ecs:UpdateTaskProtection"},
}


async def test_the_agent_is_asked_over_http() -> None:
    """What it does not grant is an error that tells why. Answers as in the ECS Developer Guide."""
    bodies: list[Any] = []
    answers = iter([(200, GRANTED), (200, BLOCKED), (400, DENIED), (500, {})])

    async def state(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        status, answer = next(answers)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_put("/api/task-protection/v1/state", state)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        agent = f"http://{host}:{port}/api"
        await ask_agent(agent, {"ProtectionEnabled": True, "ExpiresInMinutes": 60})
        for complaint in ("DEPLOYMENT_BLOCKED", "UpdateTaskProtection", "answered 500"):
            with pytest.raises(RuntimeError, match=complaint):
                await ask_agent(agent, {"ProtectionEnabled": False})
    finally:
        await runner.cleanup()
    assert bodies == [{"ProtectionEnabled": True, "ExpiresInMinutes": 60}] + [{"ProtectionEnabled": False}] * 3
