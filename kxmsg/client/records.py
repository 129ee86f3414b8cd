"""Records as the API answers them. Plain dictionaries: a field that a newer server adds does no harm."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar

T = TypeVar("T")

Priority = Literal["low", "medium", "high", "urgent"]

Frame: TypeAlias = dict[str, Any]
"""What came over a WebSocket; ``type`` says what it is."""


class Notification(TypedDict, total=False):
    """An entry of an inbox."""

    notificationId: str
    tenantId: str
    targetKey: str
    targetType: str
    title: str
    content: str
    priority: Priority
    icon: str
    category: str
    actionUrl: str
    tags: list[str]
    displayDuration: int
    sound: str
    metadata: dict[str, Any]
    status: Literal["unread", "read", "archived"]
    readAt: str | None
    expiresAt: str | None
    sequenceNumber: int
    createdAt: str
    updatedAt: str
    dateReceived: str


class Message(TypedDict, total=False):
    """Something that was said."""

    messageId: str
    tenantId: str
    targetKey: str
    channelId: str
    senderId: str
    senderName: str
    messageType: str
    title: str
    content: str
    replyToMessageId: str
    priority: Priority
    metadata: dict[str, Any]
    sequenceNumber: int
    status: str
    reactions: Any
    editedAt: str | None
    deletedAt: str | None
    createdAt: str
    updatedAt: str
    dateReceived: str


class Participant(TypedDict, total=False):
    """Who takes part in a channel."""

    userId: str
    userName: str | None
    role: str
    joinedAt: str


class Channel(TypedDict, total=False):
    """A conversation."""

    channelId: str
    tenantId: str
    channelType: str
    title: str | None
    isActive: bool
    leadStatus: Literal["unclaimed", "claimed"] | None
    claimedBy: str | None
    botEmployeeId: str | None
    participants: list[str]
    participantDetails: list[Participant]
    participantHash: str
    lastActivity: str
    lastMessage: dict[str, Any] | None
    isHumanOverride: bool
    metadata: dict[str, Any]
    createdAt: str
    updatedAt: str


class Permission(TypedDict, total=False):
    """A user's place in a channel."""

    userId: str
    chatId: str
    role: str


class User(TypedDict, total=False):
    """Somebody of the tenant."""

    userId: str
    tenantId: str
    name: str | None
    email: str | None
    roles: list[str]
    locale: str | None
    timeZone: str | None
    createdAt: str
    updatedAt: str


class Ways(TypedDict, total=False):
    """Whether one is told, by way."""

    websocket: bool
    events: bool


class QuietHours(TypedDict, total=False):
    """When one is not to be told, as ``22:00``."""

    start: str
    end: str
    allowUrgent: bool


class Preferences(TypedDict, total=False):
    """What a user wants to be told, how and when."""

    locale: str | None
    timeZone: str | None
    categories: dict[str, Ways]
    quietHours: QuietHours | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list; ``cursor`` asks for the next one, None at the end."""

    items: list[T]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Tagged(Generic[T]):
    """A record and its ``etag``, with which it can be changed as it was seen; None where the server told none."""

    record: T
    etag: str | None


async def each(pages: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Every item of a list, page by page: ``each(lambda cursor: client.notifications(cursor=cursor))``."""
    cursor: str | None = None
    while True:
        page = await pages(cursor)
        for item in page.items:
            yield item
        cursor = page.cursor
        if cursor is None:
            return
