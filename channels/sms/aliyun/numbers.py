"""Phone numbers as Aliyun writes them, and as the engine does (E.164)."""


def to_provider(e164: str) -> str:
    """Return the number for PhoneNumbers: mainland bare, others with their country code and no plus.

    >>> to_provider("+8613800138000"), to_provider("+6591234567")
    ('13800138000', '6591234567')
    """
    digits = e164.strip().removeprefix("+").removeprefix("00")
    return digits[2:] if digits.startswith("861") and len(digits) == 13 else digits


def to_e164(number: str) -> str:
    """Return the E.164 form of a number that Aliyun reports.

    >>> to_e164("13800138000"), to_e164("008613800138000"), to_e164("6591234567")
    ('+8613800138000', '+8613800138000', '+6591234567')
    """
    digits = number.strip().removeprefix("+").removeprefix("00")
    return f"+86{digits}" if len(digits) == 11 and digits.startswith("1") else f"+{digits}"


def is_number(text: str) -> bool:
    """Is it digits that may be a phone number, with or without a plus?"""
    digits = text.strip().removeprefix("+")
    return digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 17
