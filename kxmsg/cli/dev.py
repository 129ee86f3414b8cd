"""``kxmsg dev``: everything in one process, on the files that separate processes would use."""

import asyncio
from shutil import which

import typer
from rich.console import Console

from kxmsg.api.app import create_app
from kxmsg.api.routes import ROUTERS
from kxmsg.api.server import ApiServer
from kxmsg.bootstrap import App, open_app
from kxmsg.cli.reload import watch
from kxmsg.cli.serve import find_worker
from kxmsg.errors import Conflict
from kxmsg.gateway.app import GatewayServer
from kxmsg.gateway.integration import HttpIntegration
from kxmsg.model.principal import Principal
from kxmsg.settings import Settings
from kxmsg.topology import TOPOLOGY
from kxmsg.wording import counted

USER, TENANT, CHANNEL = "ana", "acme", "lead-desk"
"""Whom the samples in ``config/`` are for."""

SAMPLES = "orders/samples/*.json"
"""What to emit for a start, where the configuration has it."""

DRAIN = 3.0
"""Seconds that workers get to finish what is in hand once Ctrl-C was pressed."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run everything until ``stop`` is set, then end it in order: connections, requests, work in hand."""
    settings = settings.model_copy(update={"stop_timeout": 5 + DRAIN})
    async with open_app(settings) as app:
        await app.check(spec.name for spec in TOPOLOGY.queues)
        await app.prepare_to_serve()
        workers = [find_worker(spec.name) for spec in TOPOLOGY.workers]
        count = len(app.catalogue.subscriptions)
        api = ApiServer(create_app(app, ROUTERS), host=settings.host, port=settings.api_port)
        await api.start()
        async with HttpIntegration(f"http://{settings.host}:{api.port}", app.gateway_secrets[0]) as integration:
            gateway = GatewayServer(
                integration,
                [app.management_credentials],
                name=settings.gateway_name,
                host=settings.host,
                port=settings.gateway_port,
            )
            await gateway.start()
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.run(app, stop, heartbeats=settings.data / "health"))
                group.create_task(watch(app, stop, typer.echo))
                await _make_channel(app)
                _welcome(app, api.port, gateway.port, count)
                await stop.wait()
                await gateway.stop(budget=1)
                await api.stop(budget=1)


async def _make_channel(app: App) -> None:
    """The channel that the sample lead goes to, with the sample user in it."""
    system = Principal("kxmsg-dev", TENANT, frozenset({"system"}), None, None, float("inf"), "dev")
    service = app.channel_service
    try:
        await service.create(system, "group", [service.person(USER, role="employee")], ident=CHANNEL, title="Leads")
    except Conflict:
        return  # an earlier run made it


def _welcome(app: App, api_port: int, gateway_port: int, count: int) -> None:
    settings = app.settings
    token = app.secrets.mint(USER, TENANT, ["employee"], 12 * 3600, settings.issuer, settings.audience)
    out = Console(highlight=False, soft_wrap=True)
    out.print(
        f"[bold green]kxmsg is up[/]: {counted(count, 'subscription')} of {settings.config}/, data in {settings.data}/"
    )
    out.print(f"  REST       http://{settings.host}:{api_port}   (OpenAPI at /docs)")
    out.print(f"  WebSocket  ws://{settings.host}:{gateway_port}")
    out.print(f"  token      of {USER} at {TENANT}, for 12 hours:\n{token}")
    out.print("[bold]Try, in another terminal:[/]")
    kxmsg = "kxmsg" if which("kxmsg") else ".venv/bin/kxmsg"
    for command in (
        f"{kxmsg} listen --user {USER} --tenant {TENANT}",
        *(f"{kxmsg} emit {sample}" for sample in sorted(settings.config.glob(SAMPLES))[:1]),
        f'curl -H "Authorization: Bearer $({kxmsg} token --user {USER} --tenant {TENANT})"'
        f" http://{settings.host}:{api_port}/notifications",
    ):
        out.print(f"  {command}", markup=False)
    out.print("Ctrl-C ends it.")
