"""kxmsg: business events in, notifications and messages out, every target a gap-free log."""

__version__ = "0.1.0"
