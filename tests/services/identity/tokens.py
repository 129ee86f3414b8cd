"""Keys and tokens for the tests of identity."""

import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NOW = 1_700_000_000.0
ISSUER = "issuer"
AUDIENCE = "app"

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str, **members: Any) -> dict[str, Any]:
    """The public half of a key as a JWK."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    public: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return {**public, "kid": kid, **members}


JWKS = {"keys": [jwk(RSA_KEY, "rsa", use="sig", alg="RS256"), jwk(EC_KEY, "ec")]}


def token(key: Any = EC_KEY, kid: str | None = "ec", alg: str = "ES256", *, headers: Any = None, **changes: Any) -> str:
    """A good token, but for ``changes`` of its claims; None takes a claim away."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "tenantId": "t1", "roles": ["member"], "exp": NOW + 600}
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, key, algorithm=alg, headers={**({"kid": kid} if kid else {}), **(headers or {})})


@dataclass
class FakeClock:
    """Stands still unless told otherwise."""

    time: float = NOW

    def now(self) -> float:
        return self.time
