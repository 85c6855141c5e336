"""What the bot says, in every language that it knows.

One table a language, in a module of its own. To add one: copy `english.py`, translate it, and name it in
LANGUAGES; a test compares the tables. What a language lacks is said in English.
"""

from bot.texts.english import ENGLISH
from bot.texts.german import GERMAN

Texts = dict[str, str]

LANGUAGES: dict[str, Texts] = {"en": ENGLISH, "de": GERMAN}
"""By the first part of Discord's locales: `en-US` and `en-GB` are `en`."""


def has(locale: str, key: str) -> bool:
    """Whether this locale's own language has words for this."""
    return key in LANGUAGES.get(_language(locale), {})


def say(locale: str, key: str, **values: object) -> str:
    """The words for `key` in the language of a Discord locale, with these values put in."""
    texts = LANGUAGES.get(_language(locale), ENGLISH)
    return (texts.get(key) or ENGLISH[key]).format(**values)


def meanings(prefix: str) -> Texts:
    """What the words of all languages below `prefix` mean: `Schritte` and `Steps` are `steps`."""
    return {
        words: key.removeprefix(prefix)
        for texts in LANGUAGES.values()
        for key, words in texts.items()
        if key.startswith(prefix)
    }


def _language(locale: str) -> str:
    return locale.split("-", 1)[0].lower()
