"""Connect and disconnect: who may open a connection, and what it is subscribed to from its first moment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kxmsg.audience import inbox
from kxmsg.errors import Forbidden, NotFound, Unauthenticated
from kxmsg.model.connection import Connection, Place
from kxmsg.model.principal import Principal
from kxmsg.model.target import Target, check_id
from kxmsg.policy import Action, allowed
from kxmsg.ports import Clock
from kxmsg.services.channels import ChannelService
from kxmsg.services.identity import TokenVerifier
from kxmsg.services.locale import reader_locale
from kxmsg.services.preferring import Preferring
from kxmsg.storage.channels import Channels
from kxmsg.storage.connections import Connections
from kxmsg.storage.directory import Directory
from kxmsg.storage.marks import Marks


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What a gateway passes on of a handshake. Header names are lower-case."""

    connection: str
    gateway: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Sessions:
    """Opens and closes connections. ``origins`` are the browser origins allowed; none: any."""

    def __init__(
        self,
        verifier: TokenVerifier,
        connections: Connections,
        channels: Channels,
        service: ChannelService,
        directory: Directory,
        preferring: Preferring,
        marks: Marks,
        clock: Clock,
        origins: Sequence[str] = (),
    ) -> None:
        self._verifier = verifier
        self._connections = connections
        self._channels = channels
        self._service = service
        self._directory = directory
        self._preferring = preferring
        self._marks = marks
        self._clock = clock
        self._origins = frozenset(origins)

    async def authorize(self, request: ConnectRequest) -> Principal:
        """Who asks to connect; writes nothing. Raises a Refusal to be answered instead."""
        origin = request.headers.get("origin")
        if self._origins and origin is not None and origin not in self._origins:
            raise Forbidden("this origin may not connect", code="origin_refused")
        who = await self._verifier.verify(_token(request))
        user = request.query.get("userId")
        if user is not None and user != who.user:
            raise Forbidden("userId is not the token's user", code="foreign_user")
        return who

    async def connect(self, request: ConnectRequest) -> Connection:
        """Let a connection in; its rows stand when this returns. Raises a Refusal to be answered instead."""
        who = await self.authorize(request)
        await self._directory.touch(who)
        await self._marks.greet(who.tenant, who.user)
        preferences = await self._preferring.of(who.tenant, who.user)
        named = await self._named(who, request.query)
        connection = Connection(
            id=request.connection,
            gateway=request.gateway,
            tenant=who.tenant,
            user=who.user,
            roles=tuple(sorted(who.roles)),
            name=who.name,
            email=who.email,
            connected_at=self._clock.now(),
            token_expires_at=who.expires_at,
            follows_channels=not named,
            locale=reader_locale(
                who,
                named=request.query.get("locale"),
                preferred=preferences.locale,
                accepted=request.headers.get("accept-language"),
            ),
        )
        places = [Place(who.tenant, Target("channel", channel)) for channel in named]
        await self._connections.open(connection, [*inbox(who.tenant, who.user), *places], preferences)
        if not named:  # memberships are read after the rows stand: who joins meanwhile finds them
            followed = await self._channels.of_user(who.tenant, who.user)
            places = [Place(who.tenant, Target("channel", channel)) for channel in followed]
            if places:
                await self._connections.subscribe(connection, places)
        # Whoever changed preferences or memberships meanwhile may have found no row to change or delete.
        settled = self._preferring.settle(who.tenant, who.user, preferences)
        _, ended = await asyncio.gather(settled, self._ended(who, places, named))
        if ended:
            await self._connections.unsubscribe(connection.id, ended)
        return connection

    async def disconnect(self, connection: str) -> None:
        """Forget a connection."""
        await self._connections.close(connection)

    async def _ended(self, who: Principal, places: Sequence[Place], named: Sequence[str]) -> list[Place]:
        """Where the user was put out while it was being subscribed to."""
        if not places or (named and allowed(who.roles, Action.READ_CHANNEL)):
            return []
        if named:
            people = [await self._channels.participant(who.tenant, channel, who.user) for channel in named]
            still = {channel for channel, person in zip(named, people, strict=True) if person is not None}
        else:
            still = set(await self._channels.of_user(who.tenant, who.user))
        return [place for place in places if place.target.id not in still]

    async def _named(self, who: Principal, query: Mapping[str, str]) -> list[str]:
        """The channels that the handshake names; raises NotFound for one that is not the user's."""
        named: list[str] = []
        if thread := query.get("threadId"):
            await self._service.enter_thread(who, thread)
            named.append(thread)
        if chat := query.get("chatId"):
            participant = await self._channels.participant(who.tenant, check_id(chat, "chatId"), who.user)
            if participant is None:
                outsider = allowed(who.roles, Action.READ_CHANNEL)
                if not outsider or not await self._channels.exists(who.tenant, chat):
                    raise NotFound(f"no channel {chat!r}", code="channel_not_found")
            named.append(chat)
        return list(dict.fromkeys(named))


def principal(connection: Connection) -> Principal:
    """The caller behind an open connection."""
    return Principal(
        user=connection.user,
        tenant=connection.tenant,
        roles=frozenset(connection.roles),
        name=connection.name,
        email=connection.email,
        expires_at=connection.token_expires_at,
        token_id=connection.id,
        locale=connection.locale,
    )


def _token(request: ConnectRequest) -> str:
    header = request.headers.get("authorization", "")
    token = request.query.get("token") or (header[7:] if header[:7].lower() == "bearer " else "")
    if not token:
        raise Unauthenticated("connect with ?token= or an Authorization header")
    return token
