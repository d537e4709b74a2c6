"""The sandbox as a process of its own: told to stop, killed, and talked to over TLS."""

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiosmtplib
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels.sandbox.record import read_record
from channels.sandbox.server import Address, Sandbox
from channels.sandbox.settings import SandboxSettings, SmtpAccount
from engine.core.ids import SECOND

ROOT = Path(__file__).parents[2]
MAIL = b"Subject: hi\r\nX-Touch: t1\r\n\r\nhello\r\n"


@pytest.fixture
def spawn() -> Iterator[Callable[[Path], tuple["subprocess.Popen[bytes]", Address]]]:
    children: list[subprocess.Popen[bytes]] = []

    def start(record: Path) -> tuple["subprocess.Popen[bytes]", Address]:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "engine.bootstrap.sandbox_process",
                "--record",
                str(record),
                "--callback",
                "http://127.0.0.1:9/x/",
            ],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        children.append(child)
        assert child.stdout is not None
        return child, msgspec.json.decode(child.stdout.readline(), type=Address)

    yield start
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


async def mail(port: int, to: str) -> None:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, local_hostname="localhost", timeout=20, start_tls=False)
    await client.connect()
    await client.sendmail("shop@shop.cn", [to], MAIL)
    client.close()


async def test_what_was_answered_is_on_the_record_after_kill_9_and_a_restart_goes_on(
    tmp_path: Path, spawn: Callable[[Path], tuple["subprocess.Popen[bytes]", Address]]
) -> None:
    record = tmp_path / "deep" / "record.db"
    assert read_record(record) == []
    child, address = spawn(record)
    for number in range(5):
        await mail(address.smtp_port, f"c{number}@x.cn")
        assert len(read_record(record)) == number + 1  # another process reads while it runs
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [(line.seq, line.key) for line in read_record(record)] == [(number, "t1") for number in range(1, 6)]
    child, address = spawn(record)
    await mail(address.smtp_port, "c5@x.cn")
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 0
    assert [line.seq for line in read_record(record)] == [1, 2, 3, 4, 5, 6]


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return files


async def test_a_client_that_starts_tls_logs_in_and_sends_inside_it(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    account = SmtpAccount(tls_certificate=str(certificate), tls_key=str(key), auth="required")
    settings = SandboxSettings(record=str(tmp_path / "record.db"), smtp=account)
    sandbox = Sandbox(settings, lambda: 1_800_000_000 * SECOND)
    address = await sandbox.start()
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=address.smtp_port, local_hostname="localhost", timeout=20, start_tls=True,
        username=account.user, password=account.password, tls_context=context,
    )  # fmt: skip
    await client.connect()
    await client.sendmail("shop@shop.cn", ["a@x.cn"], MAIL)
    await client.quit()
    await sandbox.stop()
    assert [line.key for line in read_record(settings.record)] == ["t1"]
