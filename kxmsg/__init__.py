"""kxmsg: business events in, notifications and messages out, every target a gap-free log."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kxmsg.worker import Context, Worker

__all__ = ["Context", "Worker", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The worker API, loaded by those who use it (PEP 562)."""
    if name not in ("Context", "Worker"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kxmsg import worker

    return getattr(worker, name)
