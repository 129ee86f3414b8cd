"""What ``kxmsg worker``, ``api`` and ``gateway`` run."""

import asyncio
import sys
from importlib import import_module

from kxmsg.bootstrap import open_app
from kxmsg.errors import ConfigError
from kxmsg.settings import Settings
from kxmsg.suggest import did_you_mean
from kxmsg.topology import TOPOLOGY
from kxmsg.worker import Worker


async def run_worker(settings: Settings, name: str, stop: asyncio.Event) -> None:
    """Run the worker ``name`` until ``stop`` is set and what was in hand is done."""
    worker = find_worker(name)
    async with open_app(settings, worker.topology(TOPOLOGY)) as app:
        await app.check(worker.queues)
        await worker.run(app, stop, heartbeats=settings.data / "health")


async def run_api(settings: Settings, stop: asyncio.Event) -> None:
    """Serve REST and the gateway's integration routes until ``stop`` is set."""
    from kxmsg.api.app import create_app
    from kxmsg.api.routes import ROUTERS
    from kxmsg.api.server import ApiServer

    async with open_app(settings) as app:
        await app.check(queue.name for queue in app.entrances.values())
        await app.prepare_to_serve()
        server = ApiServer(create_app(app, ROUTERS), host=settings.host, port=settings.api_port)
        await server.start()
        await stop.wait()
        await server.stop(settings.stop_timeout - 5)


async def run_gateway(settings: Settings, stop: asyncio.Event) -> None:
    """Hold WebSocket connections until ``stop`` is set."""
    from kxmsg.gateway.app import serve

    async with open_app(settings) as app:
        await app.load_secrets()
        secret, credentials = app.gateway_secrets[0], app.management_credentials
    await serve(settings, secret=secret, credentials=[credentials], stop=stop)


def find_worker(name: str) -> Worker:
    """A worker type of the product, or ``module:attribute``; raises ConfigError, saying what would be right."""
    spec = next((spec for spec in TOPOLOGY.workers if spec.name == name), None)
    if spec is None and ":" not in name:
        hint = did_you_mean(name, [one.name for one in TOPOLOGY.workers])
        raise ConfigError([f"no worker type {name!r}{hint} (your own is module:attribute)"])
    module, _, attribute = (spec.module, "", "worker") if spec else name.partition(":")
    if spec is None and "" not in sys.path:
        sys.path.insert(0, "")  # a module of one's own is most often in the folder one stands in
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"worker {name!r}: {error}"]) from error
    if not isinstance(found, Worker):
        raise ConfigError([f"worker {name!r} is a {type(found).__name__}, not a kxmsg.Worker"])
    return found
