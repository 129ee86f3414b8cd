"""Channels: making and finding them, becoming part of them, leads, permissions, destroying them."""

from kxmsg.services.channels.creation import ChannelService as ChannelService
from kxmsg.services.channels.deletion import ChannelDeletion as ChannelDeletion
from kxmsg.services.channels.leads import LeadDesk as LeadDesk
from kxmsg.services.channels.lookup import ChannelLookup as ChannelLookup
from kxmsg.services.channels.membership import Membership as Membership
from kxmsg.services.channels.permissions import Permissions as Permissions
