"""Sessions: what happens on a WebSocket, whichever gateway holds it."""

from kxmsg.services.sessions.connecting import ConnectRequest as ConnectRequest
from kxmsg.services.sessions.connecting import Sessions as Sessions
from kxmsg.services.sessions.frames import Frames as Frames
from kxmsg.services.sessions.subscribing import Subscribing as Subscribing
