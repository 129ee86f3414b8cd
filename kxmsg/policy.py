"""What each role may do: one table, from which code and documentation are served. Denies by default.

The table knows nothing of tenants: a caller never reaches what belongs to another tenant, whatever the role.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Final, Literal, get_args

Role = Literal["system", "admin", "employee", "bot", "lead", "member"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

DEFAULT_ROLE: Final = "member"
"""Of whom nothing else is known."""

ALIASES: Final = {"agent": "employee"}
"""Other names of a role."""


class Action(StrEnum):
    """What a caller can ask for. The table below says what each means."""

    PUBLISH_EVENT = auto()
    ADDRESS_ANYONE = auto()
    WRITE_BROADCAST = auto()
    ACT_FOR_OTHERS = auto()
    READ_INBOX = auto()
    CHANGE_INBOX = auto()
    EDIT_NOTIFICATION = auto()
    CREATE_CHANNEL = auto()
    CREATE_LEAD = auto()
    READ_CHANNEL = auto()
    SEND_MESSAGE = auto()
    EDIT_MESSAGE = auto()
    POST_REPLY = auto()
    JOIN_CHANNEL = auto()
    LEAVE_CHANNEL = auto()
    UPDATE_CHANNEL = auto()
    FORCE_DELETE = auto()
    SEE_UNCLAIMED_LEADS = auto()
    CLAIM_LEAD = auto()
    RELEASE_LEAD = auto()
    ASSIGN_BOT = auto()
    SET_TAKEOVER = auto()
    READ_PERMISSIONS = auto()
    MANAGE_PERMISSIONS = auto()
    LIST_USERS = auto()
    READ_USER = auto()
    MANAGE_USERS = auto()
    EXPORT_USER = auto()
    SET_PREFERENCES = auto()
    OPEN_SUPPORT_CHAT = auto()
    CLOSE_SUPPORT_CHAT = auto()
    MANAGE_SUPPORT = auto()
    SUBMIT_METRICS = auto()


class When(Flag):
    """What must hold for a role to do something; also the set of what holds."""

    NO = 0
    YES = auto()
    PARTICIPANT = auto()
    OWNER = auto()
    OWN = auto()


A = Action
NO, YES, PART, OWNER, OWN = When.NO, When.YES, When.PARTICIPANT, When.OWNER, When.OWN

# fmt: off: columns are what makes it a table
_TABLE: Final[dict[Action, tuple[str, tuple[When, ...]]]] = {
    #                                                                       sys  adm  empl   bot   lead   member
    A.PUBLISH_EVENT: ("put an event on the bus", (YES, YES, NO, NO, NO, NO)),
    A.ADDRESS_ANYONE: ("send to any user or client directly", (YES, YES, NO, NO, NO, NO)),
    A.WRITE_BROADCAST: ("send to everybody", (YES, NO, NO, NO, NO, NO)),
    A.ACT_FOR_OTHERS: ("name somebody else as the actor", (YES, YES, NO, NO, NO, NO)),
    A.READ_INBOX: ("read an inbox and its counts", (YES, YES, OWN, OWN, OWN, OWN)),
    A.CHANGE_INBOX: ("mark, archive or delete inbox entries", (YES, YES, OWN, OWN, OWN, OWN)),
    A.EDIT_NOTIFICATION: ("change a notification's content", (YES, YES, NO, NO, NO, NO)),
    A.CREATE_CHANNEL: ("create or find a channel", (YES, YES, YES, NO, NO, YES)),
    A.CREATE_LEAD: ("create a lead channel", (YES, YES, YES, NO, YES, YES)),
    A.READ_CHANNEL: ("see a channel, its history, its frames", (YES, YES, PART, PART, PART, PART)),
    A.SEND_MESSAGE: ("send, react, type, attach", (YES, YES, PART, PART, PART, PART)),
    A.EDIT_MESSAGE: ("edit or delete a message", (YES, YES, OWN, OWN, OWN, OWN)),
    A.POST_REPLY: ("post a bot's reply to a thread", (YES, YES, NO, PART, NO, NO)),
    A.JOIN_CHANNEL: ("join a channel", (YES, YES, YES, PART, PART, PART)),
    A.LEAVE_CHANNEL: ("leave a channel", (YES, YES, PART, PART, PART, PART)),
    A.UPDATE_CHANNEL: ("change a channel's title and metadata", (YES, YES, OWNER, NO, NO, OWNER)),
    A.FORCE_DELETE: ("destroy a channel with its messages", (YES, YES, NO, NO, NO, NO)),
    A.SEE_UNCLAIMED_LEADS: ("list and preview unclaimed leads", (YES, YES, YES, NO, NO, NO)),
    A.CLAIM_LEAD: ("claim a lead", (YES, YES, YES, NO, NO, NO)),
    A.RELEASE_LEAD: ("release a claimed lead", (YES, YES, OWN, NO, NO, NO)),
    A.ASSIGN_BOT: ("assign a bot to a lead", (YES, YES, NO, NO, NO, NO)),
    A.SET_TAKEOVER: ("take over from the bot, or hand back", (YES, YES, YES, NO, NO, NO)),
    A.READ_PERMISSIONS: ("list a user's permissions", (YES, YES, OWN, OWN, OWN, OWN)),
    A.MANAGE_PERMISSIONS: ("list, grant, revoke a channel's permissions", (YES, YES, OWNER, NO, NO, OWNER)),
    A.LIST_USERS: ("list the tenant's users", (YES, YES, YES, NO, NO, NO)),
    A.READ_USER: ("see a user of the tenant", (YES, YES, YES, OWN, OWN, OWN)),
    A.MANAGE_USERS: ("change users, erase a user's data", (YES, YES, NO, NO, NO, NO)),
    A.EXPORT_USER: ("export a user's data", (YES, YES, OWN, NO, OWN, OWN)),
    A.SET_PREFERENCES: ("read and change preferences", (YES, YES, OWN, OWN, OWN, OWN)),
    A.OPEN_SUPPORT_CHAT: ("open a support chat", (YES, YES, YES, NO, YES, YES)),
    A.CLOSE_SUPPORT_CHAT: ("close or reopen a support chat", (YES, YES, PART, NO, OWNER, OWNER)),
    A.MANAGE_SUPPORT: ("list all support chats, assign them", (YES, YES, PART, NO, NO, NO)),
    A.SUBMIT_METRICS: ("report client-side measurements", (YES, YES, YES, YES, YES, YES)),
}
# fmt: on

_CELLS: Final[dict[tuple[str, Action], When]] = {
    (role, action): cell for action, (_, cells) in _TABLE.items() for role, cell in zip(ROLES, cells, strict=True)
}


def allowed(
    roles: Iterable[str], action: Action, *, participant: bool = False, owner: bool = False, own: bool = False
) -> bool:
    """Whether any of ``roles`` may do ``action``.

    ``participant``: the caller takes part in the channel. ``owner``: the caller owns or administers it.
    ``own``: what it is done to (message, inbox, claim, account) is the caller's. Unknown roles may do nothing.
    """
    facts = YES | (PART if participant else NO) | (OWNER if owner else NO) | (OWN if own else NO)
    return any(_CELLS.get((ALIASES.get(role, role), action), NO) & facts for role in roles)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the documentation's table; ``cells`` maps a role to yes, no, participant, owner or own."""

    action: Action
    meaning: str
    cells: dict[Role, str]


def table() -> list[Row]:
    """The table as text, for the documentation."""
    return [
        Row(action, meaning, {role: str(cell.name).lower() for role, cell in zip(ROLES, cells, strict=True)})
        for action, (meaning, cells) in _TABLE.items()
    ]
