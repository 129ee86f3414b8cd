"""Composition root: the one place that chooses adapters and puts the parts together."""

from kxmsg.bootstrap.app import App as App
from kxmsg.bootstrap.opening import memory_app as memory_app
from kxmsg.bootstrap.opening import open_app as open_app
from kxmsg.bootstrap.opening import secrets_of as secrets_of
