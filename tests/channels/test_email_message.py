"""An email's bytes: what independent parsers read back, and what may not get into a header."""

import email
import email.policy
import re
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channels.content import EmailContent
from channels.email import dkim, verp
from channels.email.address import address
from channels.email.message import assemble
from channels.email.settings import DkimSettings
from channels.secret import Secret
from engine.core.errors import BadInput, BadSetting

KEY = Secret("k")
HEADERS = {
    "List-Unsubscribe": "<https://go.brand.example/t/u/abc>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
CONTENT = EmailContent(
    "春季新品，只为您：" + "优惠" * 40,
    "<p>您好 Mei</p>",
    "您好 Mei\n.\nFrom here",
    "商店 <news@brand.example>",
    "help@brand.example",
    HEADERS,
    1_772_328_600_000_000,
)


def _assemble(content: EmailContent = CONTENT, to: str = "mei@brand.example") -> bytes:
    return assemble(content, to, message_id="<touch01.mac@brand.example>")


def test_an_independent_parser_reads_back_what_went_in() -> None:
    message = email.message_from_bytes(_assemble(), policy=email.policy.default)
    assert not message.defects
    assert message["Subject"] == CONTENT.subject
    assert message["From"] == "商店 <news@brand.example>"
    assert message["To"] == "mei@brand.example"
    assert message["Date"] == "Sun, 01 Mar 2026 01:30:00 +0000"
    assert message["List-Unsubscribe"] == HEADERS["List-Unsubscribe"]
    plain, html = message.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n") == CONTENT.text
    assert html.get_content() == CONTENT.html


def test_the_same_touch_gives_the_same_bytes() -> None:
    assert _assemble() == _assemble()


def test_lines_are_short_and_end_with_crlf() -> None:
    body = _assemble()
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert max(len(line) for line in body.split(b"\r\n")) <= 100
    assert body.isascii()


def test_without_html_it_is_one_plain_part() -> None:
    content = EmailContent("Hi", "", "text", "news@brand.example")
    message = email.message_from_bytes(_assemble(content), policy=email.policy.default)
    assert message.get_content_type() == "text/plain"


@pytest.mark.parametrize(
    "bad", ["\r\nBcc: x@evil.example", "\n", "\x00", "\x85", "\u2028", "\u202e", "=?utf-8?q?hi=0d=0a?="]
)
def test_a_header_input_with_a_break_or_an_encoded_word_is_refused(bad: str) -> None:
    good = EmailContent("Hi", "", "t", "news@brand.example", "help@brand.example")
    for field in ("subject", "from_", "reply_to"):
        with pytest.raises(BadInput):
            _assemble(replace(good, **{field: getattr(good, field) + bad}))
    for name in HEADERS:
        with pytest.raises(BadInput):
            _assemble(EmailContent("Hi", "", "t", "news@brand.example", headers={name: "x" + bad}))
    with pytest.raises(BadInput):
        _assemble(to="mei@brand.example" + bad)


def test_a_header_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(BadInput, match="Bcc"):
        _assemble(EmailContent("Hi", "", "t", "news@brand.example", headers={"Bcc": "x@evil.example"}))


@given(st.text(max_size=120), st.text(max_size=40))
def test_no_subject_or_name_changes_the_set_of_headers(subject: str, name: str) -> None:
    content = EmailContent(subject, "", "t", f"{name} <news@brand.example>")
    try:
        head = _assemble(content).partition(b"\r\n\r\n")[0]
    except BadInput:
        return
    names = re.findall(rb"(?m)^([^ :]+):", head)
    assert names == [*(b"Date From To Subject Message-ID MIME-Version Content-Type Content-Transfer-Encoding").split()]
    assert email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.default)["To"] == "mei@brand.example"


@pytest.mark.parametrize(
    "bad",
    [
        *(
            "mei",
            "@x.example",
            "mei@",
            "a@b@c.example",
            "a..b@x.example",
            "a@-x.example",
            "a@x..example",
            "<a@x.example>",
        ),
        *("", "a b@x.example", '"a b"@x.example', "a@x.example,b@x.example", "a@[127.0.0.1]", "小明@x.example"),
        *("a" * 65 + "@x.example", "a@x.example>\r\nRCPT TO:<b@x.example"),
    ],
)
def test_what_is_not_one_plain_address_is_refused(bad: str) -> None:
    with pytest.raises(BadInput):
        address(bad)


def test_bounce_addresses_and_message_ids_are_read_only_with_their_proof() -> None:
    sender = verp.bounce_address(KEY, "touch01", "bounce.brand.example")
    assert verp.read_bounce_address(KEY, f"<{sender.upper()}>") == "touch01"
    assert verp.read_bounce_address(KEY, sender.replace("touch01", "touch02")) == ""
    assert verp.read_bounce_address(Secret("other"), sender) == ""
    name = verp.message_id(KEY, "touch01", "brand.example")
    assert verp.read_message_id(KEY, f"References: <a@b> {name}") == "touch01"
    assert verp.read_message_id(KEY, name.replace("touch01", "touch02")) == ""
    assert len(sender.partition("@")[0]) <= 64


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _verify(signed: bytes, check: Callable[[bytes, bytes], None]) -> dict[str, str]:
    """Verify as RFC 6376 says, with a reader that shares nothing with the signer; return the tags."""
    head, _, body = signed.partition(b"\r\n\r\n")
    fields = [
        (line.partition(":")[0], line.partition(":")[2])
        for line in re.sub(r"\r\n(?=[ \t])", "", head.decode()).split("\r\n")
    ]
    value = dict(fields)["DKIM-Signature"]
    tags = {part.split("=", 1)[0].strip(): re.sub(r"\s", "", part.split("=", 1)[1]) for part in value.split(";")}
    canonical = re.sub(rb"[ \t]+\r\n", b"\r\n", re.sub(rb"[ \t]+", b" ", body))
    canonical = re.sub(rb"(\r\n)+\Z", b"", canonical) + b"\r\n"
    assert b64decode(tags["bh"]) == sha256(canonical).digest()
    left, lines = list(fields[1:]), []
    for wanted in tags["h"].split(":"):
        at = max((i for i, (name, _) in enumerate(left) if name.lower() == wanted), default=None)
        if at is not None:
            name, text = left.pop(at)
            lines.append(f"{name.lower()}:{' '.join(text.split())}\r\n")
    bare = " ".join((value[: value.rindex("b=") + 2]).split())
    check(b64decode(tags["b"]), "".join([*lines, f"dkim-signature:{bare}"]).encode())
    return tags


def test_an_rsa_signature_verifies_and_covers_one_click_unsubscribe() -> None:
    key = rsa.generate_private_key(65537, 2048)
    sign = dkim.signer(DkimSettings("brand.example", "s1", _pem(key)))
    tags = _verify(
        sign(_assemble(), CONTENT.date),
        lambda signature, data: key.public_key().verify(signature, data, padding.PKCS1v15(), SHA256()),
    )
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(tags["h"].split(":"))
    assert tags["h"].split(":").count("from") == 2
    assert (tags["a"], tags["d"], tags["s"], tags["t"]) == ("rsa-sha256", "brand.example", "s1", "1772328600")


def test_an_ed25519_signature_verifies() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    sign = dkim.signer(DkimSettings("brand.example", "s1", _pem(key)))
    _verify(
        sign(_assemble(), CONTENT.date),
        lambda signature, data: key.public_key().verify(signature, sha256(data).digest()),
    )


def test_a_key_that_cannot_sign_mail_is_a_bad_setting() -> None:
    for pem in (Secret("nonsense"), _pem(rsa.generate_private_key(65537, 1024))):
        with pytest.raises(BadSetting):
            dkim.signer(DkimSettings("brand.example", "s1", pem))


def test_a_secret_does_not_print() -> None:
    for text in (repr(KEY), str(KEY), f"{KEY}", repr(DkimSettings("d", "s", Secret("hunter2")))):
        assert "hunter2" not in text and "'k'" not in text
