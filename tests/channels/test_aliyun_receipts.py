"""Aliyun's callbacks: reports and replies in, receipts and events out, whatever strangers post."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.reply import Callback
from channels.secret import Secret
from channels.sms.aliyun.receipts import is_opt_out, parse_replies, parse_reports
from channels.sms.aliyun.settings import AliyunSettings
from engine.core.events import Event, Receipt

NOW = 1_772_330_400_000_000  # 2026-03-01 02:00 UTC, 10:00 in Shanghai
SETTINGS = AliyunSettings("id", Secret("s"), callback_key=Secret("k"))
REPORT = {
    "phone_number": "13800138000",
    "send_time": "2026-03-01 09:29:00",
    "report_time": "2026-03-01 09:30:00",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "ok",
    "sms_size": "1",
    "biz_id": "biz1",
    "out_id": "touch01",
}


def _post(body: object, key: str = "k") -> Callback:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Callback("POST", {"key": key}, {}, raw, NOW)


def test_a_delivered_report_becomes_a_receipt_at_its_shanghai_time() -> None:
    reply, entries = parse_reports(_post([REPORT]), SETTINGS)
    assert (reply.status, json.loads(reply.body)["code"]) == (200, 0)
    assert entries == [
        Receipt(
            id=entries[0].id,
            fact="DELIVERED",
            at=1_772_328_600_000_000,
            received=NOW,
            provider="aliyun",
            provider_id="biz1",
            touch="touch01",
            recipient="+8613800138000",
            detail="DELIVERED ok",
        )
    ]


def test_a_repeated_report_has_the_same_id() -> None:
    first, second = (parse_reports(_post([REPORT]), SETTINGS)[1][0].id for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("INVALID_NUMBER", "HARD_BOUNCE"),
        ("MK:0010", "SOFT_BOUNCE"),
        ("NEVER_HEARD_OF", "SOFT_BOUNCE"),
        ("PORT_NOT_REGISTERED", "REJECTED"),
    ],
)
def test_a_failed_report_is_hard_only_where_the_number_is_known_dead(code: str, fact: str) -> None:
    _, entries = parse_reports(_post([{**REPORT, "success": False, "err_code": code}]), SETTINGS)
    assert [entry.fact for entry in entries if isinstance(entry, Receipt)] == [fact]


def test_a_carriers_blacklist_is_an_opt_out() -> None:
    _, entries = parse_reports(_post([{**REPORT, "success": False, "err_code": "MOBILE_IN_BLACK"}]), SETTINGS)
    receipt, event = entries
    assert isinstance(receipt, Receipt) and receipt.fact == "REJECTED"
    assert isinstance(event, Event) and event.consents == {"sms": False}
    assert event.identifiers == {"phone": "+8613800138000"}


def test_an_opt_out_reply_withdraws_consent_and_another_reply_does_not() -> None:
    up = {"phone_number": "13800138000", "send_time": "2026-03-01 09:30:00", "dest_code": "1069", "sequence_id": "7"}
    _, (out,) = parse_replies(_post([{**up, "content": " ｒ。"}]), SETTINGS)
    _, (said,) = parse_replies(_post([{**up, "content": "谢谢"}]), SETTINGS)
    assert isinstance(out, Event) and (out.name, out.consents) == ("sms_opted_out", {"sms": False})
    assert isinstance(said, Event) and (said.name, said.consents) == ("sms_replied", {})


@pytest.mark.parametrize("word", ["R", "td", "ＴＤ", "退订", "退订。", " stop ", "拒收!"])
def test_opt_out_words_are_understood_however_they_are_typed(word: str) -> None:
    assert is_opt_out(word, SETTINGS.opt_out_words)


@pytest.mark.parametrize("word", ["", "不要退订", "roger", "取消订单"])
def test_other_words_are_not_opt_outs(word: str) -> None:
    assert not is_opt_out(word, SETTINGS.opt_out_words)


def test_the_consoles_probe_is_answered() -> None:
    reply, entries = parse_reports(Callback("GET", {}, {}, b"", NOW), SETTINGS)
    assert (reply.status, reply.body, entries) == (200, '{"code":0,"msg":"成功"}'.encode(), [])


def test_a_wrong_key_is_forbidden() -> None:
    assert parse_reports(_post([REPORT], key="guess"), SETTINGS)[0].status == 403


def test_a_bad_item_does_not_take_the_good_ones_with_it() -> None:
    _, entries = parse_reports(_post([1, {}, {"phone_number": []}, REPORT]), SETTINGS)
    assert len(entries) == 1


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers() | st.booleans(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_no_body_is_a_surprise(body: bytes) -> None:
    for parse in (parse_reports, parse_replies):
        assert parse(_post(body), SETTINGS)[0].status in {200, 400}


@given(st.fixed_dictionaries({}, optional={name: st.text() | st.integers() | st.none() for name in REPORT}))
def test_no_item_is_a_surprise(item: dict[str, Any]) -> None:
    assert parse_reports(_post([item]), SETTINGS)[0].status == 200
