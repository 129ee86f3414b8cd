"""Base paths: where the families of routes are found, which a deployment may decide.

Routes are declared under their default paths. Where a setting says otherwise, requests are led there, and the OpenAPI
document tells the paths as they are called.
"""

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kxmsg.api.responses import error_response
from kxmsg.errors import ConfigError, NotFound
from kxmsg.settings import Settings

FAMILIES: Final = ("notifications", "messages", "channels")

_HIDDEN: Final = ("/docs", "/openapi.json", "/_gateway")
"""Paths that the OpenAPI document does not tell of."""


class BasePaths:
    """The base path that each family has, by its default one."""

    def __init__(self, settings: Settings) -> None:
        self._moved = {
            f"/{family}": path for family in FAMILIES if (path := getattr(settings, f"{family}_path")) != f"/{family}"
        }
        self._all = {f"/{family}": getattr(settings, f"{family}_path") for family in FAMILIES}

    def __bool__(self) -> bool:
        """Whether any family is elsewhere than by default."""
        return bool(self._moved)

    def check(self, paths: Iterable[str]) -> None:
        """Raises :class:`~kxmsg.errors.ConfigError` where a base path would hide another's, or one of ``paths``."""
        fixed = [path for path in paths if self._family(path, self._all) is None]
        problems = [
            f"{_variable(one)}: {self._all[one]} is, or is within, {_variable(other)}; choose another"
            for one, other in permutations(self._all, 2)
            if _within(self._all[one], self._all[other])
        ]
        problems += [
            f"{_variable(default)}: {path} would hide {hidden}; choose another"
            for default, path in self._moved.items()
            for hidden in [*fixed, *_HIDDEN]
            if _within(hidden, path)
        ]
        if problems:
            raise ConfigError(problems)

    def public(self, path: str) -> str:
        """The path by which a route declared as ``path`` is called."""
        default = self._family(path, self._all)
        return path if default is None else self._all[default] + path.removeprefix(default)

    def declared(self, path: str) -> str | None:
        """The path that the route called as ``path`` is declared as; None where there is none any more."""
        for default, moved in self._all.items():
            if _within(path, moved):
                return default + path.removeprefix(moved)
        return None if self._family(path, self._moved) else path

    @staticmethod
    def _family(path: str, bases: Mapping[str, str]) -> str | None:
        return next((default for default in bases if _within(path, default)), None)


class MovedPaths:
    """Leads requests to where their routes are declared."""

    def __init__(self, app: ASGIApp, paths: BasePaths) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = self._paths.declared(scope["path"])
            if path is None:
                answer = error_response(
                    404, NotFound.code, "Not Found", correlation_id=scope["state"]["correlation_id"]
                )
                await answer(scope, receive, send)
                return
            scope["path"] = path
        await self._app(scope, receive, send)


def moved(paths: BasePaths, document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI ``document`` with the paths as they are called."""
    return {**document, "paths": {paths.public(path): item for path, item in document["paths"].items()}}


def _within(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _variable(default: str) -> str:
    return f"KXMSG_{default.removeprefix('/').upper()}_PATH"
