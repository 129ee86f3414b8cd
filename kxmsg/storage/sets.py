"""Sets: channels by exactly who takes part in them, and the one channel of a set."""

from collections.abc import Sequence
from dataclasses import dataclass

from kxmsg.keys import in_set_key, one_key, set_key
from kxmsg.model.channel import Channel, ChannelType
from kxmsg.participants import participant_hash
from kxmsg.ports import ABSENT, Condition, Item, Put, Query, Tables
from kxmsg.storage.channels import Channels
from kxmsg.topology import CHANNELS


@dataclass(frozen=True, slots=True)
class SetOfUsers:
    """The active channels, oldest first and without their participants, with exactly the users of ``digest``.

    ``ones`` are the records by which there is one of a type; the channel that such a record names may be gone.
    """

    tenant: str
    digest: str
    channels: tuple[Channel, ...]
    ones: dict[str, str]

    def one(self, kind: ChannelType, ident: str) -> Put:
        """What makes ``ident`` the one channel of ``kind``, unless somebody else's has become it since."""
        item = {"pk": set_key(self.tenant, self.digest), "sk": one_key(kind), "channelId": ident}
        before = self.ones.get(kind)
        return Put(CHANNELS, item, ABSENT if before is None else Condition(equals={"channelId": before}))


class Sets:
    """Finds channels by their participants."""

    def __init__(self, tables: Tables, channels: Channels) -> None:
        self._tables = tables
        self._channels = channels

    async def get(self, tenant: str, users: Sequence[str]) -> SetOfUsers:
        """The channels with exactly these users, read consistently."""
        digest = participant_hash(tenant, users)
        items: list[Item] = []
        cursor: str | None = None
        while True:
            query = Query(set_key(tenant, digest), cursor=cursor, consistent=True)
            page = await self._tables.query(CHANNELS, query)
            items += page.items
            cursor = page.cursor
            if cursor is None:
                break
        head = in_set_key("")
        idents = [item["sk"].removeprefix(head) for item in items if item["sk"].startswith(head)]
        ones = {item["sk"].removeprefix(one_key("")): item["channelId"] for item in items if "channelId" in item}
        # A channel may have moved between the two reads.
        found = [one for one in await self._channels.records(tenant, idents) if one.participant_hash == digest]
        active = sorted((one for one in found if one.is_active), key=lambda one: (one.created_at, one.id))
        return SetOfUsers(tenant, digest, tuple(active), ones)
