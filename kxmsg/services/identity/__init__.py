"""Who is calling: tokens verified against a JWKS."""

from kxmsg.services.identity.claims import ClaimRules
from kxmsg.services.identity.jwks import CachedKeys, KeySource, StaticKeys, key_source
from kxmsg.services.identity.tokens import TokenVerifier

__all__ = ["CachedKeys", "ClaimRules", "KeySource", "StaticKeys", "TokenVerifier", "key_source"]
