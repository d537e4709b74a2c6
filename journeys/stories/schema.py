"""The JSON Schema of story files, for editors: written by hand beside the words that stories know.

What a line of `happens` or `expect` says is left to `journeyd test`; an editor needs the keys. Used by `schema.py`.
"""

from typing import Any, Final

from engine.core.events import KINDS
from journeys.stories.expectations import BARE, KEYED

_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": ["string", "number"]}}
_CONSENTS: Final[dict[str, Any]] = {
    "description": "A list of yeses, or {marketing: true, sms: false}.",
    "anyOf": [_TEXTS, {"type": "object", "additionalProperties": {"type": "boolean"}}],
}
_PERSON: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Who the customer is: identifiers, consents, tags, lists; any other key is a trait.",
    "properties": {
        "identifiers": {
            "type": "object",
            "properties": {kind: {"type": ["string", "number"]} for kind in KINDS},
            "additionalProperties": {"type": ["string", "number"]},
        },
        "consents": _CONSENTS,
        "tags": _TEXTS,
        "segments": _TEXTS,
        "lists": _TEXTS,
        "suppressed": _TEXTS,
        "traits": {"type": "object"},
        "timezone": {"type": "string", "examples": ["Asia/Shanghai", "Europe/Berlin"]},
        **{kind: {"type": ["string", "number"]} for kind in KINDS},
    },
}
_LINES: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "description": "`2026-03-01 20:10: order_paid {total: 260}`, `+30m: ...`, or `+1d` alone to let time pass.",
    "items": {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]},
}
_EXPECTED: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "description": "`no touches`, `completed`, or `2026-03-02 09:00: send welcome by email`.",
    "items": {
        "anyOf": [
            {"enum": list(BARE)},
            {"type": "string"},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {word: {} for word in KEYED},
                "patternProperties": {r"^(\d{4}-\d\d-\d\d.*|\+.+)$": {"type": "string"}},
                "additionalProperties": False,
            },
        ]
    },
}
STORY_KEYS: Final[dict[str, Any]] = {
    "story": {"type": "string", "description": "What this story tells, as a sentence."},
    "customer": _PERSON,
    "with": {**_TEXTS, "description": "Other journeys that play along."},
    "account": {
        "type": "object",
        "description": "The customer's company: its traits, and the contact in each role.",
        "properties": {
            "id": {"type": "string"},
            "traits": {"type": "object"},
            "contacts": {"type": "object", "additionalProperties": _PERSON},
        },
    },
    "before": {**_LINES, "minItems": 0, "description": "What happened earlier: it is known, and starts nothing."},
    "happens": _LINES,
    "expect": _EXPECTED,
    "holdout": {"enum": [True, False, "journey", "global"], "description": "Plays the control group."},
    "arms": {"type": "object", "description": "Which arm of a split this story takes: {incentive: coupon}."},
    "fails": {"type": "object", "description": "Channels whose provider refuses for good: {wechat: not a follower}."},
    "coupons": {"type": "object", "additionalProperties": _TEXTS, "description": "Codes in each pool."},
    "results": {
        "type": "object",
        "description": "How the arms of a winner split did so far: {subject: {a: [500, 60]}}.",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        },
    },
}
"""The keys of one story; a test holds them to the words that `stories/syntax.py` knows."""

STORY_FILE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "stories": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": STORY_KEYS,
                "required": ["story", "happens", "expect"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["stories"],
    "additionalProperties": False,
}
