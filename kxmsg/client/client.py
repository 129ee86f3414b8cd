"""Client: every route of the API as a method."""

from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

from kxmsg.client.http import ATTEMPTS, Credentials, Http, Reply, Token, match, prefer
from kxmsg.client.positions import Position
from kxmsg.client.records import (
    Channel,
    Message,
    Notification,
    Page,
    Permission,
    Preferences,
    Tagged,
    User,
)
from kxmsg.client.stream import PING_EVERY, Connected, Events, Lost

T = TypeVar("T")

ChannelType = Literal["direct", "group", "lead"]

PAGE: Final = 50


class Client:
    """One caller of one API. Use with ``async with``, or :meth:`close` it.

    ``token`` is a JWT, or a function (asynchronous or not) that gives one. ``gateway_url`` is needed for
    :meth:`events` alone. The base paths are those of the server's settings. ``timeout`` in seconds is for one try.

    Methods raise the :class:`~kxmsg.errors.Refusal` that is answered, such as NotFound, and
    :class:`~kxmsg.errors.Transient` where no answer comes. Fields beyond those named go by the names of the API.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        gateway_url: str | None = None,
        notifications_path: str = "/notifications",
        messages_path: str = "/messages",
        channels_path: str = "/channels",
        timeout: float = 30,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._credentials = Credentials(token)
        self._http = Http(base_url, self._credentials, timeout=timeout, attempts=attempts)
        self._gateway_url = gateway_url
        self._notifications = notifications_path
        self._messages = messages_path
        self._channels = channels_path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections of requests; streams have their own."""
        await self._http.close()

    def events(
        self,
        *,
        thread: str | None = None,
        chat: str | None = None,
        locale: str | None = None,
        positions: Mapping[str, Position] | None = None,
        connected: Connected | None = None,
        lost: Lost | None = None,
        ping_every: float = PING_EVERY,
    ) -> Events:
        """Live frames: of the inbox and all channels, or of the ``thread`` or ``chat`` named; see :class:`Events`."""
        if self._gateway_url is None:
            raise ValueError("events need a gateway_url, as ws://127.0.0.1:8081/")
        query = _some(threadId=thread, chatId=chat, locale=locale)
        return Events(
            self._gateway_url,
            self._credentials,
            query=query,
            positions=positions,
            connected=connected,
            lost=lost,
            ping_every=ping_every,
        )

    # ---------------------------------------------------------------------------------------------- notifications

    async def notifications(
        self,
        *,
        user: str | None = None,
        target_types: Sequence[str] = (),
        status: Literal["unread", "read", "archived"] | None = None,
        priority: str | None = None,
        category: str | None = None,
        limit: int = PAGE,
        cursor: str | None = None,
    ) -> Page[Notification]:
        """The inbox, newest first."""
        query = _some(userId=user, status=status, priority=priority, category=category, limit=limit, cursor=cursor)
        if target_types:
            query["targetTypes"] = ",".join(target_types)
        return _page(await self._http.call("GET", self._notifications, query=query), "notifications")

    async def notify(
        self,
        title: str,
        content: str,
        *,
        user: str | None = None,
        client: str | None = None,
        wait: int | None = None,
        **fields: Any,
    ) -> Notification:
        """Notify a user, all of a client or, with neither, everybody. ``wait``: seconds to wait until it is stored."""
        kind = "user" if user is not None else "client" if client is not None else "broadcast"
        body = {"targetType": kind, **_some(userId=user, clientId=client), "title": title, "content": content, **fields}
        reply = await self._http.call("POST", self._notifications, body=body, headers=prefer(wait))
        return _named(reply, "notification", Notification)

    async def notification(self, ident: str) -> Tagged[Notification]:
        """One entry."""
        return _tagged(await self._http.call("GET", self._notification(ident)), "notification")

    async def update_notification(self, ident: str, *, etag: str | None = None, **fields: Any) -> Tagged[Notification]:
        """Change an entry; with ``etag`` only if it is as it was then, else PreconditionFailed."""
        path = self._notification(ident)
        return _tagged(await self._http.call("PUT", path, body=fields, headers=match(etag)), "notification")

    async def delete_notification(self, ident: str) -> None:
        """Delete an entry."""
        await self._http.call("DELETE", self._notification(ident))

    async def mark_read(self, idents: Sequence[str]) -> None:
        """Mark entries read, for the caller alone."""
        body = {"notificationIds": list(idents)}
        await self._http.call("POST", f"{self._notifications}/mark-read", body=body)

    async def mark_all_read(self) -> None:
        """Mark all that is there now."""
        await self._http.call("POST", f"{self._notifications}/mark-all-read")

    async def archive(self, ident: str) -> None:
        """Put an entry away, for the caller alone."""
        await self._http.call("POST", f"{self._notification(ident)}/archive")

    async def unread_count(self, **query: Any) -> int:
        """How many entries are live and not read."""
        reply = await self._http.call("GET", f"{self._notifications}/unread-count", query=query)
        return int(reply.body["count"])

    # --------------------------------------------------------------------------------------------------- messages

    async def messages(
        self,
        channel: str | None = None,
        *,
        after_sequence: int | None = None,
        before_sequence: int | None = None,
        limit: int = PAGE,
        cursor: str | None = None,
        **query: Any,
    ) -> Page[Message]:
        """What was said in a channel, or sent otherwise."""
        asked = _some(
            channelId=channel,
            afterSequence=after_sequence,
            beforeSequence=before_sequence,
            limit=limit,
            cursor=cursor,
        )
        return _page(await self._http.call("GET", self._messages, query={**asked, **query}), "messages")

    async def send(self, channel: str, content: str, *, wait: int | None = None, **fields: Any) -> Message:
        """Say something in a channel. ``wait``: seconds to wait until it is stored and has its number."""
        body = {"targetType": "channel", "channelId": channel, "messageType": "chat", "content": content, **fields}
        return _named(
            await self._http.call("POST", self._messages, body=body, headers=prefer(wait)), "message", Message
        )

    async def message(self, ident: str) -> Tagged[Message]:
        """One message."""
        return _tagged(await self._http.call("GET", self._message(ident)), "message")

    async def edit_message(self, ident: str, *, etag: str | None = None, **fields: Any) -> Tagged[Message]:
        """Change a message; as :meth:`update_notification`."""
        return _tagged(await self._http.call("PUT", self._message(ident), body=fields, headers=match(etag)), "message")

    async def delete_message(self, ident: str) -> None:
        """Delete a message."""
        await self._http.call("DELETE", self._message(ident))

    async def react(self, ident: str, emoji: str) -> None:
        """Add a reaction of the caller's."""
        await self._http.call("POST", f"{self._message(ident)}/reactions", body={"emoji": emoji})

    async def unreact(self, ident: str, emoji: str) -> None:
        """Take a reaction of the caller's away."""
        await self._http.call("DELETE", f"{self._message(ident)}/reactions", query={"emoji": emoji})

    async def mark_message_read(self, ident: str) -> None:
        """The channel was read up to this message."""
        await self._http.call("POST", f"{self._message(ident)}/read")

    async def publish(
        self, channel: str, content: str, *, fifo: bool = True, event_type: str = "chat", wait: int | None = None
    ) -> Message:
        """Send to a channel as services do."""
        payload = {"chatId": channel, "eventType": event_type, "content": content}
        body = {"targetChannel": "WebSocket", "messageType": "fifo" if fifo else "standard", "payload": payload}
        return _named(await self._http.call("POST", "/publish", body=body, headers=prefer(wait)), "message", Message)

    async def post_reply(self, thread: str, user: str, message: str) -> Message:
        """A bot's reply to a thread."""
        body = {"userId": user, "threadId": thread, "message": message}
        return _named(await self._http.call("POST", "/post-to-connection", body=body), "message", Message)

    # --------------------------------------------------------------------------------------------------- channels

    async def channels(
        self, *, user: str | None = None, include_anonymous: bool = True, limit: int = PAGE, cursor: str | None = None
    ) -> Page[Channel]:
        """The channels of a user, the latest active first."""
        query = _some(userId=user, includeAnonymous=include_anonymous, limit=limit, cursor=cursor)
        return _page(await self._http.call("GET", self._channels, query=query), "channels")

    async def create_channel(
        self, channel_type: ChannelType, participants: Sequence[str] = (), **fields: Any
    ) -> Channel:
        """Make a channel with these users in it."""
        people = [{"userId": user} for user in participants]
        body = {"channelType": channel_type, "participants": people, **fields}
        return _named(await self._http.call("POST", self._channels, body=body), "channel", Channel)

    async def find_channels(self, users: Sequence[str]) -> list[Channel]:
        """The active channels with exactly these users."""
        reply = await self._http.call("POST", f"{self._channels}/find", body={"userIds": list(users)})
        found: list[Channel] = reply.body["channels"]
        return found

    async def find_or_create_channel(
        self, channel_type: ChannelType, participants: Sequence[str], **fields: Any
    ) -> Channel:
        """The channel with exactly these users, made where there is none."""
        people = [{"userId": user} for user in participants]
        body = {"channelType": channel_type, "participants": people, **fields}
        return _named(await self._http.call("POST", f"{self._channels}/find-or-create", body=body), "channel", Channel)

    async def channel(self, ident: str) -> Tagged[Channel]:
        """One channel."""
        return _tagged(await self._http.call("GET", self._channel(ident)), "channel")

    async def update_channel(self, ident: str, *, etag: str | None = None, **fields: Any) -> Tagged[Channel]:
        """Change a channel; as :meth:`update_notification`."""
        return _tagged(await self._http.call("PUT", self._channel(ident), body=fields, headers=match(etag)), "channel")

    async def join(self, ident: str, *, name: str | None = None) -> None:
        """Become part of a channel."""
        await self._http.call("POST", f"{self._channel(ident)}/join", body=_some(userName=name))

    async def leave(self, ident: str) -> None:
        """Leave a channel."""
        await self._http.call("POST", f"{self._channel(ident)}/leave")

    async def delete_channels(self, idents: Sequence[str], *, force: bool = False) -> Mapping[str, Any]:
        """Leave channels or, with ``force``, destroy them; the answer tells of each."""
        query = _some(channelIds=",".join(idents), forceDelete=force)
        return (await self._http.call("DELETE", self._channels, query=query)).body

    async def claim(self, ident: str, *, name: str | None = None) -> None:
        """Claim a lead; raises Conflict where somebody else was first."""
        await self._http.call("POST", f"{self._channel(ident)}/claim", body=_some(userName=name))

    async def release(self, ident: str) -> None:
        """Give a lead back."""
        await self._http.call("POST", f"{self._channel(ident)}/release")

    async def assign_bot(self, ident: str, bot: str, *, name: str | None = None) -> None:
        """Put a bot into a lead."""
        body = {"botEmployeeId": bot, **_some(botName=name)}
        await self._http.call("POST", f"{self._channel(ident)}/assign-bot", body=body)

    async def takeover(self, ident: str, *, on: bool, agent: str | None = None) -> None:
        """Take a conversation over from the bot, or hand it back."""
        body = {"isHumanOverride": on, **_some(agentId=agent)}
        await self._http.call("PUT", f"{self._channel(ident)}/takeover", body=body)

    # ------------------------------------------------------------------------------------------------ permissions

    async def grant(self, user: str, chat: str, role: str = "member") -> None:
        """Let a user into a channel."""
        await self._http.call("POST", "/permissions", body={"userId": user, "chatId": chat, "role": role})

    async def revoke(self, user: str, chat: str) -> None:
        """Put a user out of a channel."""
        await self._http.call("DELETE", "/permissions", query={"userId": user, "chatId": chat})

    async def permissions(self, *, user: str | None = None, chat: str | None = None) -> list[Permission]:
        """Of a user, or in a channel."""
        reply = await self._http.call("GET", "/permissions", query=_some(userId=user, chatId=chat))
        found: list[Permission] = reply.body["permissions"]
        return found

    # ------------------------------------------------------------------------------------------------------ users

    async def users(self, *, role: str | None = None, limit: int = PAGE, cursor: str | None = None) -> Page[User]:
        """The users of the tenant, or those of them who have a role."""
        query = _some(role=role, limit=limit, cursor=cursor)
        return _page(await self._http.call("GET", "/users", query=query), "users")

    async def user(self, ident: str = "me") -> Tagged[User]:
        """One user, by default the caller."""
        return _tagged(await self._http.call("GET", f"/users/{_part(ident)}"), "user")

    async def update_user(self, ident: str, *, etag: str | None = None, **fields: Any) -> Tagged[User]:
        """Enter or change a user; as :meth:`update_notification`."""
        path = f"/users/{_part(ident)}"
        return _tagged(await self._http.call("PUT", path, body=fields, headers=match(etag)), "user")

    async def preferences(self) -> Preferences:
        """The caller's."""
        return _named(await self._http.call("GET", "/users/me/preferences"), "preferences", Preferences)

    async def set_preferences(self, preferences: Preferences) -> Preferences:
        """Replace the caller's."""
        return _named(
            await self._http.call("PUT", "/users/me/preferences", body=dict(preferences)), "preferences", Preferences
        )

    async def export_user(self, ident: str = "me") -> AsyncIterator[Mapping[str, Any]]:
        """All that is kept of a user, ``data`` by ``data``; what the user is and prefers comes first."""
        cursor: str | None = None
        while True:
            reply = await self._http.call("GET", f"/users/{_part(ident)}/data", query=_some(cursor=cursor))
            yield reply.body["data"]
            cursor = reply.body["nextCursor"]
            if cursor is None:
                return

    async def erase_user(self, ident: str) -> Mapping[str, int]:
        """Erase all that is kept of a user, in as many calls as it takes, up to the attempts; what the last one did."""
        summary: Mapping[str, int] = (await self._http.call("DELETE", f"/users/{_part(ident)}/data")).body["summary"]
        return summary

    # -------------------------------------------------------------------------------------------- events, metrics

    async def put_event(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> bool:
        """Put an event on the bus; whether any subscription asks for it."""
        body = {"source": source, "detail-type": detail_type, "detail": dict(detail)}
        return bool((await self._http.call("POST", "/events", body=body)).body["event"]["wanted"])

    async def measure(
        self, name: str, value: float, unit: str = "Milliseconds", *, tags: Mapping[str, str] | None = None
    ) -> None:
        """Report what was measured here."""
        one = {"name": name, "value": value, "unit": unit, "tags": dict(tags or {})}
        await self._http.call("POST", "/metrics", body={"metrics": [one]})

    def _notification(self, ident: str) -> str:
        return f"{self._notifications}/{_part(ident)}"

    def _message(self, ident: str) -> str:
        return f"{self._messages}/{_part(ident)}"

    def _channel(self, ident: str) -> str:
        return f"{self._channels}/{_part(ident)}"


def _part(ident: str) -> str:
    return quote(ident, safe="")


def _some(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _named(reply: Reply, name: str, _: type[T]) -> T:
    record: T = reply.body[name]
    return record


def _tagged(reply: Reply, name: str) -> Tagged[Any]:
    return Tagged(reply.body[name], reply.etag)


def _page(reply: Reply, name: str) -> Page[Any]:
    return Page(reply.body[name], reply.body.get("nextCursor"))
