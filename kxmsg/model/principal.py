"""Principal: who is calling, as a verified token says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. ``user`` and ``tenant`` can stand in keys; ``expires_at`` is epoch seconds.

    ``roles`` are the token's own words; :mod:`kxmsg.policy` says what they may do.
    ``token_id`` tells tokens apart without revealing one. ``locale`` is the token's, as ``pt-br``.
    """

    user: str
    tenant: str
    roles: frozenset[str]
    name: str | None
    email: str | None
    expires_at: float
    token_id: str
    locale: str | None = None

    @property
    def is_system(self) -> bool:
        """A service, which may act in the tenant of everybody."""
        return "system" in self.roles

    @property
    def is_admin(self) -> bool:
        """An administrator of its own tenant."""
        return "admin" in self.roles
