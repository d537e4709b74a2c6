"""Aliyun's signature against the vendor's own example and one that its SDK agreed with."""

from channels.sms.aliyun import signing


def _headers(host: str, action: str, version: str, date: str, nonce: str) -> dict[str, str]:
    return {
        "host": host,
        "x-acs-action": action,
        "x-acs-version": version,
        "x-acs-date": date,
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": signing.body_hash(b""),
    }


def test_the_vendors_published_example_is_reproduced() -> None:
    query = signing.canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )
    headers = _headers(
        "ecs.cn-shanghai.aliyuncs.com",
        "RunInstances",
        "2014-05-26",
        "2023-10-26T10:22:32Z",
        "3156853299f313e23d1673dc12e1703d",
    )
    request = signing.canonical_request("POST", query, headers)
    expected = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert signing.signature(b"YourAccessKeySecret", request) == expected


def test_send_sms_with_chinese_values_is_signed_like_the_sdk_does() -> None:
    query = signing.canonical_query(
        {
            "PhoneNumbers": "13800138000",
            "SignName": "阿里云",
            "TemplateCode": "SMS_123456789",
            "TemplateParam": '{"name":"小明","code":"1234"}',
            "OutId": "msg_01",
        }
    )
    assert query == (
        "OutId=msg_01&PhoneNumbers=13800138000&SignName=%E9%98%BF%E9%87%8C%E4%BA%91&TemplateCode=SMS_123456789"
        "&TemplateParam=%7B%22name%22%3A%22%E5%B0%8F%E6%98%8E%22%2C%22code%22%3A%221234%22%7D"
    )
    headers = _headers(
        "dysmsapi.aliyuncs.com", "SendSms", "2017-05-25", "2025-01-02T03:04:05Z", "0123456789abcdef0123456789abcdef"
    )
    request = signing.canonical_request("POST", query, headers)
    assert signing.authorization("testid", b"testsecret", request, headers) == (
        "ACS3-HMAC-SHA256 Credential=testid,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=2023982b003eeebba39f9b1e78c232606419dbb386fea15bc85d3bb82e74276f"
    )


def test_the_date_is_utc_to_the_second() -> None:
    assert signing.timestamp(1_735_787_045_999_999) == "2025-01-02T03:04:05Z"
