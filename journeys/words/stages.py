"""The five stages of the lifecycle as a reader calls them. Called wherever a stage is shown to a person."""

from typing import Final

from engine.core.plan import StageName

ZH: Final[dict[StageName, str]] = {
    "acquire": "获客",
    "activate": "激活",
    "retain": "留存",
    "monetize": "变现",
    "refer": "推荐",
}


def stage_in_words(stage: str, lang: str = "en") -> str:
    """Return the name of a stage; one that is none stays as it is.

    >>> stage_in_words("retain"), stage_in_words("retain", "zh"), stage_in_words("", "zh")
    ('retain', '留存', '')
    """
    return next((name for known, name in ZH.items() if known == stage), stage) if lang == "zh" else stage
