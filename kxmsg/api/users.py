"""``/users``: who belongs to the tenant, what they prefer, and all that is kept of one of them."""

from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from kxmsg.api.deps import Answer, Body, Caller, Product
from kxmsg.api.etags import IfMatch, etag
from kxmsg.api.message_records import message_record
from kxmsg.api.user_records import preferences_record, user_record
from kxmsg.errors import Forbidden
from kxmsg.model.notification import locale_key
from kxmsg.model.preferences import UTC, WAYS, Preferences, QuietHours
from kxmsg.model.user import User
from kxmsg.policy import DEFAULT_ROLE, Action
from kxmsg.preferences import time_zones

router = APIRouter(tags=["users"])

MAX_LIMIT: Final = 200

MAX_CATEGORIES: Final = 100

Role = Literal["member", "employee", "agent", "bot", "lead", "admin", "system"]


def _locale(text: str) -> str:
    """A locale as variants are kept by; raises ValueError."""
    key = locale_key(text)
    if key is None:
        raise ValueError("must be a language tag, as de or pt-BR")
    return key


def _time_zone(text: str) -> str:
    if text not in time_zones():
        raise ValueError("must be a name of the IANA time zone database, as Europe/Berlin")
    return text


def _minutes(clock: str) -> int:
    hours, minutes = int(clock[:2]), int(clock[3:])
    if hours > 23 or minutes > 59:
        raise ValueError("must be a time of the day, as 22:00")
    return hours * 60 + minutes


def _clock(text: str) -> str:
    _minutes(text)
    return text


Locale = Annotated[str, Field(max_length=64, examples=["de"]), AfterValidator(_locale)]
TimeZone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_time_zone)]
Clock = Annotated[str, Field(pattern=r"^[0-9]{2}:[0-9]{2}$", examples=["22:00"]), AfterValidator(_clock)]
Category = Annotated[str, Field(min_length=1, max_length=256)]


class UserIn(Body):
    """What to enter or change of a user; null takes a field away, what is left out stays."""

    name: str | None = Field(None, max_length=256)
    email: str | None = Field(None, max_length=320)
    roles: list[Role] | None = Field(None, min_length=1, max_length=10, description="By default member.")
    locale: Locale | None = None
    time_zone: TimeZone | None = None


class Strict(Body):
    """A misspelt way or hour would silently do nothing: it is refused."""

    model_config = ConfigDict(extra="forbid")


class WaysIn(Strict):
    """Whether one is told, by way."""

    websocket: bool = Field(True, description="Frames on open connections.")
    events: bool = Field(True, description="Per-user events on the bus, of which mail and SMS are made.")


class QuietHoursIn(Strict):
    """When one is not to be told; what comes then is told at the end."""

    start: Clock
    end: Clock = Field(description="Over midnight where it is the earlier of the two.")
    allow_urgent: bool = Field(True, description="What is urgent is told all the same.")

    @model_validator(mode="after")
    def _last(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same; leave quietHours out to have none")
        return self


class PreferencesIn(Strict):
    """All that one prefers: what is left out is as for somebody who never said anything."""

    locale: Locale | None = Field(None, description="Language of texts that have variants.")
    time_zone: TimeZone | None = Field(None, description="By default UTC.")
    categories: dict[Category, WaysIn] = Field(
        default_factory=dict,
        max_length=MAX_CATEGORIES,
        description="By category of notifications; `messages`: what is said; `*`: all that are not named.",
        examples=[{"marketing": {"events": False}}],
    )
    quiet_hours: QuietHoursIn | None = None


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


@router.get("/users", summary="The users of the tenant, by id")
async def list_users(
    who: Caller,
    app: Product,
    tenant_id: Annotated[str | None, Query(alias="tenantId")] = None,
    role: Annotated[Role | None, Query(description="Only those; a page may then have fewer, and a next one.")] = None,
    limit: Limit = 50,
    cursor: str | None = None,
) -> Answer:
    """For employees and administrators. Users enter at their first contact, or by `PUT /users/{id}`."""
    if tenant_id not in (None, who.tenant):
        raise Forbidden("these users are not of your tenant")
    page = await app.users.page(who, role, limit, cursor)
    return {
        "success": True,
        "users": [user_record(user) for user in page.users],
        "count": len(page.users),
        "nextCursor": page.cursor,
        "hasMore": page.cursor is not None,
        "queryParams": {"tenantId": who.tenant, "role": role, "limit": limit},
    }


@router.get("/users/{user_id}", summary="A user")
async def get_user(user_id: str, who: Caller, app: Product, response: Response) -> Answer:
    """`me` is oneself."""
    user = await app.users.get(who, user_id)
    response.headers["ETag"] = _tag(user)
    return {"success": True, "user": user_record(user)}


@router.put("/users/{user_id}", summary="Enter or change a user", responses={201: {"description": "Entered."}})
async def put_user(user_id: str, body: UserIn, who: Caller, app: Product, match: IfMatch, response: Response) -> Answer:
    """For administrators. It says what a user is known by; what a caller may do, their token alone says."""
    given = body.model_dump(exclude_unset=True)
    if "roles" in given:
        given["roles"] = tuple(sorted(set(given["roles"] or [DEFAULT_ROLE])))
    if "time_zone" in given:
        given["time_zone"] = given["time_zone"] or UTC
    user, new = await app.users.put(who, user_id, given, lambda current: match.check(_tag(current)))
    response.status_code = 201 if new else 200
    response.headers["ETag"] = _tag(user)
    return {"success": True, "user": user_record(user)}


@router.get("/users/{user_id}/preferences", summary="What a user prefers")
async def get_preferences(user_id: str, who: Caller, app: Product, response: Response) -> Answer:
    """`me` is oneself; others' are for administrators."""
    user = await app.users.get(who, user_id, Action.SET_PREFERENCES)
    response.headers["ETag"] = _tag(user)
    return {"success": True, "preferences": preferences_record(user.preferences)}


@router.put("/users/{user_id}/preferences", summary="Replace what a user prefers")
async def put_preferences(
    user_id: str, body: PreferencesIn, who: Caller, app: Product, match: IfMatch, response: Response
) -> Answer:
    """They decide what is pushed and told, and when. The inbox has everything all the same."""
    user = await app.users.prefer(who, user_id, _preferences(body), lambda current: match.check(_tag(current)))
    response.headers["ETag"] = _tag(user)
    return {"success": True, "preferences": preferences_record(user.preferences)}


@router.get("/users/{user_id}/data", summary="Export what is kept of a user")
async def export_user(
    user_id: str, who: Caller, app: Product, limit: Limit = MAX_LIMIT, cursor: str | None = None
) -> Answer:
    """Page by page: the first has the user, what they prefer and their channels; all have notifications, messages."""
    export = await app.personal_data.export(who, user_id, limit, cursor)
    user = export.user
    known = {} if user is None else {"user": user_record(user), "preferences": preferences_record(user.preferences)}
    return {
        "success": True,
        "data": {
            **known,
            "channels": export.channels,
            "notifications": [found.record() for found in export.notifications],
            "messages": [message_record(entry) for entry in export.messages],
        },
        "count": len(export.notifications) + len(export.messages),
        "nextCursor": export.cursor,
        "hasMore": export.cursor is not None,
        "queryParams": {"limit": limit},
    }


@router.delete("/users/{user_id}/data", summary="Erase what is kept of a user")
async def erase_user(user_id: str, who: Caller, app: Product) -> Answer:
    """For administrators, and for good: inbox, memberships, what the user wrote, the entry in the directory."""
    erased = await app.personal_data.erase(who, user_id)
    return {
        "success": True,
        "message": "User data erased successfully",
        "summary": {
            "entriesDeleted": erased.entries,
            "messagesDeleted": erased.messages,
            "reactionsDeleted": erased.reactions,
            "channelsLeft": len(erased.channels),
        },
    }


def _preferences(body: PreferencesIn) -> Preferences:
    quiet = body.quiet_hours
    return Preferences(
        locale=body.locale,
        time_zone=body.time_zone or UTC,
        muted={
            category: frozenset(way for way in WAYS if not getattr(ways, way))
            for category, ways in body.categories.items()
        },
        quiet_hours=None
        if quiet is None
        else QuietHours(_minutes(quiet.start), _minutes(quiet.end), quiet.allow_urgent),
    )


def _tag(user: User) -> str:
    return etag([user.id, user.revision])
