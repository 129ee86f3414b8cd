"""kxmsg.embedded.secrets: made once, agreed upon, readable by the owner alone."""

import errno
import json
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Barrier

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kxmsg.embedded.secrets import LocalSecrets
from kxmsg.errors import StartError, Unauthenticated
from kxmsg.services.identity import StaticKeys, TokenVerifier

NOW = 1_700_000_000.0

READERS: dict[str, Callable[[LocalSecrets], object]] = {
    "signing-key.pem": LocalSecrets.jwks,
    "gateway.json": LocalSecrets.gateway_secrets,
    "management.json": LocalSecrets.management_credentials,
    "cursor.key": LocalSecrets.cursor_key,
}

SHOW = (
    "import sys, pathlib; from kxmsg.embedded.secrets import LocalSecrets as L; s = L(pathlib.Path(sys.argv[1]));"
    "print([s.jwks(), s.gateway_secrets(), s.management_credentials(), s.cursor_key()])"
)


class FixedClock:
    def __init__(self, time: float) -> None:
        self.time = time

    def now(self) -> float:
        return self.time


def verifier(secrets: LocalSecrets, at: float = NOW) -> TokenVerifier:
    return TokenVerifier(StaticKeys(secrets.jwks()), issuer="i", audience="a", clock=FixedClock(at))


def everything(secrets: LocalSecrets) -> list[object]:
    return [read(secrets) for read in READERS.values()]


async def test_minted_token_is_verified_with_the_published_keys(tmp_path: Path) -> None:
    """User, tenant, roles, name and expiry come back."""
    secrets = LocalSecrets(tmp_path)
    token = secrets.mint("u1", "t1", ["admin", "employee"], 60, "i", "a", "Ann", now=NOW)
    who = await verifier(secrets).verify(token)
    assert (who.user, who.tenant, who.name) == ("u1", "t1", "Ann")
    assert who.roles == {"admin", "employee"}
    assert who.expires_at == NOW + 60
    with pytest.raises(Unauthenticated):
        await verifier(secrets, NOW + 66).verify(token)


async def test_another_folders_token_is_refused(tmp_path: Path) -> None:
    """Each installation has its own key."""
    token = LocalSecrets(tmp_path / "one").mint("u1", "t1", [], 60, "i", "a", now=NOW)
    with pytest.raises(Unauthenticated):
        await verifier(LocalSecrets(tmp_path / "other")).verify(token)


def test_claims_have_the_names_that_the_settings_give_them(tmp_path: Path) -> None:
    """So that the verifier finds them."""
    token = LocalSecrets(tmp_path).mint("u1", "t1", ["bot"], 60, "i", "a", tenant_claim="org", role_claim="groups")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["org"], claims["groups"]) == ("t1", ["bot"])
    assert claims["exp"] - claims["iat"] == 60


def test_tokens_differ(tmp_path: Path) -> None:
    """Each has its own id."""
    secrets = LocalSecrets(tmp_path)
    assert len({secrets.mint("u1", "t1", [], 60, "i", "a", now=NOW) for _ in range(3)}) == 3


def test_published_keys_hold_no_private_part(tmp_path: Path) -> None:
    """And name themselves by their thumbprint (RFC 7638)."""
    (key,) = LocalSecrets(tmp_path).jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert jwt.PyJWK(key).algorithm_name == "ES256"
    required = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert urlsafe_b64decode(key["kid"] + "=") == sha256(required.encode()).digest()


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    """A second process reads what the first made."""
    assert everything(LocalSecrets(tmp_path)) == everything(LocalSecrets(tmp_path))


def test_secrets_are_long_and_differ_between_folders(tmp_path: Path) -> None:
    """Nothing is a constant."""
    one, other = LocalSecrets(tmp_path / "one"), LocalSecrets(tmp_path / "other")
    assert all(a != b for a, b in zip(everything(one), everything(other), strict=True))
    assert len(one.cursor_key()) == 32
    assert len(one.gateway_secrets()) == 1
    assert len(one.gateway_secrets()[0]) >= 43
    access_key_id, secret_key = one.management_credentials()
    assert len(access_key_id) == 20
    assert access_key_id.isalnum()  # '/' would end it within a SigV4 credential scope
    assert len(secret_key) >= 43


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    """0700 for the folder, also if it was there and open; 0600 for the files; no temporary file is left."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    everything(LocalSecrets(tmp_path))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == dict.fromkeys(READERS, 0o600)


def test_rotation_keeps_two_gateway_secrets(tmp_path: Path) -> None:
    """The new one first, then the one before; older ones are forgotten."""
    secrets = LocalSecrets(tmp_path)
    (first,) = secrets.gateway_secrets()
    second, kept = secrets.rotate()
    assert kept == first != second
    third, kept = secrets.rotate()
    assert kept == second
    assert LocalSecrets(tmp_path).gateway_secrets() == [third, second]
    assert [file.name for file in (tmp_path / "secrets").iterdir()] == ["gateway.json"]


def test_threads_that_start_together_agree(tmp_path: Path) -> None:
    """One of them makes the file, the others read it, whole."""
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        barrier = Barrier(8)

        def start(folder: Path = folder, barrier: Barrier = barrier) -> str:
            secrets = LocalSecrets(folder)
            barrier.wait()
            return repr(everything(secrets))

        with ThreadPoolExecutor(8) as pool:
            assert len({future.result() for future in [pool.submit(start) for _ in range(8)]}) == 1
        assert len(list((folder / "secrets").iterdir())) == len(READERS)


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """As ``kxmsg dev`` and Procfile start them."""
    started = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", SHOW, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(set(outputs)) == 1


def _p384_key() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, content) for name in READERS for content in (b"", b"garbage", b"\xff\xfe")),
        ("signing-key.pem", _p384_key()),
        ("gateway.json", b"[]"),
        ("gateway.json", b'[""]'),
        ("gateway.json", b'["a", ""]'),
        ("gateway.json", b'["a", "b", "c"]'),
        ("gateway.json", b'"abc"'),
        ("management.json", b'{"accessKeyId": "x"}'),
        ("management.json", b'{"accessKeyId": "", "secretKey": "y"}'),
        ("cursor.key", b"00"),
    ],
)
def test_damaged_file_stops_the_start(tmp_path: Path, name: str, content: bytes) -> None:
    """Naming the file and the remedy, and none of its content; nothing is silently made anew."""
    file = tmp_path / "secrets" / name
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(StartError, match="delete it") as caught:
        READERS[name](LocalSecrets(tmp_path))
    assert str(file) in str(caught.value)
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", list(READERS))
def test_unreadable_file_stops_the_start(tmp_path: Path, name: str) -> None:
    """Here a folder stands where the file should."""
    (tmp_path / "secrets" / name).mkdir(parents=True)
    with pytest.raises(StartError, match=name):
        READERS[name](LocalSecrets(tmp_path))


def test_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    """Here a file stands where the data folder should."""
    (tmp_path / "data").write_text("")
    with pytest.raises(StartError, match="KXMSG_DATA"):
        LocalSecrets(tmp_path / "data").cursor_key()


def test_rotation_that_cannot_write_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and the current secret stays valid."""
    secrets = LocalSecrets(tmp_path)
    before = secrets.gateway_secrets()

    def denied(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(StartError, match="Permission denied"):
        secrets.rotate()
    assert secrets.gateway_secrets() == before


def test_messages_hold_no_secret(tmp_path: Path) -> None:
    """A half-written file is not quoted."""
    file = tmp_path / "secrets" / "gateway.json"
    file.parent.mkdir()
    file.write_text(json.dumps(["hush"])[:-1])
    with pytest.raises(StartError) as caught:
        LocalSecrets(tmp_path).gateway_secrets()
    assert "hush" not in str(caught.value)
