"""The sandbox's signature checks against the vendors' published examples and vectors computed elsewhere."""

from hashlib import sha1

import pytest

from channels.sandbox.acs3 import Gatekeeper, SignedRequest, canonical, signature_of
from channels.sandbox.settings import AliyunAccount
from channels.sandbox.wechatcrypt import encrypt, signature
from engine.core.ids import MINUTE, SECOND

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
QUERY = (
    "PhoneNumbers=13800138000&SignName=%E9%98%BF%E9%87%8C%E4%BA%91&TemplateCode=SMS_123456789"
    "&TemplateParam=%7B%22name%22%3A%22%E5%B0%8F%E6%98%8E%22%2C%22code%22%3A%221234%22%7D&OutId=msg_01"
)
SIGNATURE = "2023982b003eeebba39f9b1e78c232606419dbb386fea15bc85d3bb82e74276f"
SIGNED = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
AT = 1_735_787_045 * SECOND  # 2025-01-02T03:04:05Z
ACCOUNT = AliyunAccount(access_key_id="testid", access_key_secret="testsecret")


def send_sms(**changes: str) -> SignedRequest:
    headers = {
        "host": "dysmsapi.aliyuncs.com",
        "x-acs-action": "SendSms",
        "x-acs-version": "2017-05-25",
        "x-acs-date": "2025-01-02T03:04:05Z",
        "x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
        "x-acs-content-sha256": EMPTY,
        "accept": "application/json",
        "authorization": f"ACS3-HMAC-SHA256 Credential=testid,SignedHeaders={SIGNED},Signature={SIGNATURE}",
    }
    query = changes.pop("query", QUERY)
    body = changes.pop("body", "").encode()
    given = headers | {name.replace("_", "-"): value for name, value in changes.items()}
    return SignedRequest("POST", "/", query, {name: value for name, value in given.items() if value}, body)


def code(request: SignedRequest, now: int = AT) -> str:
    refusal = Gatekeeper(ACCOUNT).check(request, now)
    return refusal.code if refusal is not None else "OK"


def test_the_vendors_own_example_gets_the_published_signature() -> None:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    request = SignedRequest("POST", "/", query, headers, b"")
    expected = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert signature_of(request, sorted(headers), "YourAccessKeySecret") == expected


def test_a_send_sms_request_signed_by_the_sdk_passes_whatever_the_order_of_its_query() -> None:
    assert code(send_sms()) == "OK"
    assert code(send_sms(query="&".join(reversed(QUERY.split("&"))))) == "OK"
    assert canonical(send_sms(), SIGNED.split(";")).split("\n")[2].startswith("OutId=msg_01&PhoneNumbers=")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"query": QUERY.replace("13800138000", "13800138001")}, "SignatureDoesNotMatch"),
        ({"x_acs_action": "QuerySendDetails"}, "SignatureDoesNotMatch"),
        ({"body": "x=1", "content_type": "text/plain"}, "IncompleteSignature"),
        ({"body": "x=1"}, "IncompleteSignature"),
        ({"x_acs_content_sha256": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x_acs_security_token": "stolen"}, "IncompleteSignature"),
        ({"x_acs_date": "yesterday"}, "InvalidTimeStamp.Format"),
        ({"x_acs_signature_nonce": ""}, "MissingParameter"),
        ({"authorization": ""}, "IncompleteSignature"),
        ({"authorization": "ACS3-HMAC-SHA256 Credential=testid"}, "IncompleteSignature"),
        (
            {"authorization": f"ACS3-HMAC-SHA256 Credential=other,SignedHeaders={SIGNED},Signature={SIGNATURE}"},
            "InvalidAccessKeyId.NotFound",
        ),
        (
            {"authorization": f"ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host,Signature={SIGNATURE}"},
            "IncompleteSignature",
        ),
    ],
)
def test_anything_changed_after_signing_is_refused(changes: dict[str, str], expected: str) -> None:
    assert code(send_sms(**changes)) == expected


def test_a_request_older_or_newer_than_fifteen_minutes_is_refused() -> None:
    assert code(send_sms(), AT + 15 * MINUTE) == "OK"
    assert code(send_sms(), AT + 16 * MINUTE) == "InvalidTimeStamp.Expired"
    assert code(send_sms(), AT - 16 * MINUTE) == "InvalidTimeStamp.Expired"


def test_a_nonce_serves_once_and_a_forged_request_does_not_use_it_up() -> None:
    gate = Gatekeeper(ACCOUNT)
    forged = gate.check(send_sms(query="PhoneNumbers=1"), AT)
    assert forged is not None
    assert gate.check(send_sms(), AT) is None
    again = gate.check(send_sms(), AT)
    assert again is not None
    assert again.code == "SignatureNonceUsed"


def test_wechat_signatures_equal_the_published_ones() -> None:
    assert signature("AAAAA", "1714036504", "1514711492") == "f464b24fc39322e44b38aa78f5edd27bd1441696"


def test_wechat_encryption_equals_the_vector() -> None:
    message = (
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oABC]]></FromUserName>"
        "<CreateTime>1735786245</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>"
        "<EventKey><![CDATA[qrscene_camp_42]]></EventKey><Ticket><![CDATA[TICKET]]></Ticket></xml>"
    )
    key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    sealed = encrypt(message.encode(), key, "wx0123456789abcdef", b"0123456789abcdef")
    assert sealed.startswith("Q3stYC6hdFzMh9T8HCvyDCQyqpkMFMj9MOk+gEzHaZIXPIkbtASWwl1fZ6kOnrlqROR4D1tXsE46zXpcoHKUZv")
    assert sealed.endswith("E6DWg1e2BxBmGXkBspIuCQA==")
    expected = "67f8b711b12a3e8d6a111cfeb8dbab44f8e6e4c0"
    assert signature("mytoken", "1735786245", "nonce123", sealed) == expected
    assert sha1("".join(sorted(["mytoken", "1735786245", "nonce123", sealed])).encode()).hexdigest() == expected
