"""The SMS provider: Aliyun Dysmsapi's SendSms and QuerySendDetails, its refusals, and its receipts.

Every request must pass `acs3`. Business errors are HTTP 200 with a Code, as the vendor's are; a refused request accepts
nothing. Receipts go back as arrays of SmsReport.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channels.sandbox.acs3 import Gatekeeper, Refusal, SignedRequest
from channels.sandbox.dials import MAGIC_PHONES, Dials, Fault, Trouble
from channels.sandbox.exchange import conclude, read_body
from channels.sandbox.receipts import Courier, Manners, Posting
from channels.sandbox.record import Draft, Recorder, RecordQuery, touch_key
from channels.sandbox.settings import AliyunAccount, Receipts
from channels.sandbox.smsrules import business_error, content_of, international
from engine.core.ids import SECOND, Micros, derive

BAD_RECEIPTS: Final = {
    "+8613800000011": "MOBILE_NOT_ON_SERVICE",
    "+8613800000012": "MOBILE_IN_BLACK",
    "+8613800000013": "IS_CLOSED",
    "+8613800000014": "",
}
"""Numbers that are accepted and whose receipts then say why not; an empty reason never gets a receipt."""

MANNERS: Final = Manners(batch=100, retries=(60.0, 300.0, 600.0), timeout=0.7)
_CHINA: Final = timezone(timedelta(hours=8))
_ACTIONS: Final = ("SendSms", "QuerySendDetails")
_CODES: Final = {Fault.REFUSE: "isv.MOBILE_NUMBER_ILLEGAL", Fault.RATE_LIMIT: "Throttling.User"}
_SYSTEM: Final = {"Code": "ServiceUnavailable", "Message": "The request has failed due to a temporary failure."}


class SmsReport(msgspec.Struct, frozen=True):
    """One receipt, in the vendor's words; times are China's without a zone."""

    phone_number: str
    send_time: str
    report_time: str
    success: bool
    err_code: str
    err_msg: str
    sms_size: str
    biz_id: str
    out_id: str


class AliyunSms:
    """The account's endpoint at `POST /`."""

    def __init__(
        self, account: AliyunAccount, dials: Dials, recorder: Recorder, courier: Courier, now: Callable[[], Micros]
    ) -> None:
        self._account, self._dials, self._recorder, self._courier, self._now = account, dials, recorder, courier, now
        self._gate = Gatekeeper(account)
        self._made = now()

    async def handle(self, request: Request) -> Response | None:
        """Answer one call; None closes the connection without a word."""
        if self._dials.is_down("aliyun"):
            return None
        body = await read_body(request)
        if body is None:
            return self._refused(Refusal(413, "RequestTooLarge", "The body is over a megabyte."))
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        signed = SignedRequest(request.method, request.url.path, request.url.query, headers, body)
        refusal = self._gate.check(signed, self._now())
        if refusal is not None:
            return self._refused(refusal)
        action = headers["x-acs-action"]
        if headers["x-acs-version"] != "2017-05-25" or action not in _ACTIONS:
            return self._refused(Refusal(404, "InvalidAction.NotFound", "Specified api is not found."))
        given = dict(parse_qsl(request.url.query, keep_blank_values=True))
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            given |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return self._details(given) if action == "QuerySendDetails" else await self._send(given, headers)

    async def _send(self, given: dict[str, str], headers: dict[str, str]) -> Response | None:
        error = business_error(self._account, given)
        if error is not None:
            return self._said(*error)
        phones = [international(phone) for phone in given["PhoneNumbers"].split(",")]
        trouble = MAGIC_PHONES.get(phones[0].removeprefix("+86")) or self._dials.pick("aliyun")
        if trouble is not None:
            refused = self._trouble(trouble)
            if refused is not None:
                return refused
        self._made = at = max(self._made + 1, self._now())
        biz_id = f"{at}^0"
        carried = headers.get("x-touch") or given.get("OutId", "")
        text = content_of(self._account, given)
        drafts = [
            Draft(
                provider="aliyun",
                key=touch_key(carried),
                recipient=phone,
                provider_id=biz_id,
                subject=given["TemplateCode"],
                text=text,
                body=msgspec.json.encode(given),
                fault=trouble.fault.value if trouble else "",
            )
            for phone in phones
        ]
        try:
            await self._recorder.append(drafts)
        except OSError:
            return JSONResponse(_SYSTEM | {"RequestId": self._request_id()}, 503)
        for phone in phones:
            await self._report(phone, biz_id, given.get("OutId", ""))
        answer = self._said("OK", "OK", biz_id)
        return await conclude(trouble, answer, JSONResponse(_SYSTEM | {"RequestId": self._request_id()}, 503))

    def _trouble(self, trouble: Trouble) -> Response | None:
        code = trouble.code or _CODES.get(trouble.fault, "")
        if trouble.fault is Fault.ERROR_BEFORE:
            return JSONResponse(_SYSTEM | {"RequestId": self._request_id()}, 503)
        if trouble.fault is Fault.RATE_LIMIT and code.startswith("Throttling"):
            body = {"Code": code, "Message": "Request was denied due to user flow control."}
            return JSONResponse(body | {"RequestId": self._request_id()}, 429, {"x-acs-retry-after": "1"})
        if trouble.fault in (Fault.REFUSE, Fault.RATE_LIMIT):
            return self._said(code, f"refused by the sandbox: {code}")
        return None

    async def _report(self, phone: str, biz_id: str, out_id: str) -> None:
        code = BAD_RECEIPTS.get(phone, "DELIVERED")
        if not code or not self._courier.rules.aliyun_url:
            return
        at = datetime.fromtimestamp(self._now() / SECOND, UTC).astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")
        good = code == "DELIVERED"
        report = SmsReport(
            phone.removeprefix("+86"), at, at, good, code, "用户接收成功" if good else code, "1", biz_id, out_id
        )
        await self._courier.send(f"{biz_id}:{phone}", report)

    def _details(self, given: dict[str, str]) -> Response:
        phone, day, biz_id = (given.get(name, "") for name in ("PhoneNumber", "SendDate", "BizId"))
        if not phone or not re.fullmatch(r"\d{8}", day):
            return self._said("isv.INVALID_PARAMETERS", "PhoneNumber and SendDate (yyyyMMdd) are needed")
        found = self._recorder.read(RecordQuery(provider="aliyun", recipient=international(phone), bodies=True))
        details: list[dict[str, Any]] = []
        for line in found:
            at = datetime.fromtimestamp(line.at / SECOND, UTC).astimezone(_CHINA)
            if at.strftime("%Y%m%d") != day or biz_id not in ("", line.provider_id):
                continue
            code = BAD_RECEIPTS.get(line.recipient, "DELIVERED")
            done = self._now() >= line.at + int(self._courier.rules.delay * SECOND) and code
            details.append({
                "PhoneNum": phone, "SendStatus": 1 if not done else 3 if code == "DELIVERED" else 2, "ErrCode": code,
                "TemplateCode": line.subject, "Content": line.text, "SendDate": at.strftime("%Y-%m-%d %H:%M:%S"),
                "ReceiveDate": at.strftime("%Y-%m-%d %H:%M:%S") if done else "",
                "OutId": msgspec.json.decode(line.body, type=dict[str, str]).get("OutId", ""),
            })  # fmt: skip
        size, page = (int(given[name]) if given.get(name, "").isdigit() else 1 for name in ("PageSize", "CurrentPage"))
        shown = details[::-1][(page - 1) * size :][: min(size, 50)]
        body = {"Code": "OK", "Message": "OK", "RequestId": self._request_id(), "TotalCount": len(details)}
        return JSONResponse(body | {"SmsSendDetailDTOs": {"SmsSendDetailDTO": shown}})

    def _said(self, code: str, message: str, biz_id: str = "") -> Response:
        body = {"Code": code, "Message": message, "RequestId": self._request_id()}
        return JSONResponse(body | ({"BizId": biz_id} if biz_id else {}))

    def _refused(self, refusal: Refusal) -> Response:
        body = {"Code": refusal.code, "Message": refusal.message, "RequestId": self._request_id(), "HostId": "sandbox"}
        return JSONResponse(body, refusal.status)

    def _request_id(self) -> str:
        self._made += 1
        return derive("aliyun request", self._made).upper()


def pack_reports(rules: Receipts, batch: Sequence[msgspec.Struct]) -> Posting:
    """Make the push of a batch of reports."""
    return Posting(rules.aliyun_url, {}, "application/json;charset=utf-8", msgspec.json.encode(list(batch)))


def is_taken(answer: httpx.Response) -> bool:
    """Say whether the daemon's answer counts: any JSON object whose code is a number."""
    try:
        said = answer.json()
    except ValueError:
        return False
    return isinstance(said, dict) and type(said.get("code")) is int
