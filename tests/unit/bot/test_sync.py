"""The hash of the commands: the same for what means the same, another for anything that people see."""

from typing import Any

import pytest

from bot.sync import fingerprint

SAID: dict[str, Any] = {
    "name": "imagine",
    "description": "Paint",
    "type": 1,
    "nsfw": False,
    "dm_permission": True,
    "default_member_permissions": None,
    "contexts": [0, 1, 2],
    "name_localizations": {"de": "bild"},
    "options": [
        {"name": "prompt", "type": 3, "description": "x", "required": True, "max_length": 10},
        {"name": "scale", "type": 10, "description": "x", "required": False, "max_value": 30.0},
    ],
}
REPEATED: dict[str, Any] = {
    "id": "1",
    "application_id": "2",
    "version": "3",
    "name": "imagine",
    "name_localizations": {"de": "bild"},
    "description": "Paint",
    "description_localizations": None,
    "type": 1,
    "contexts": [0, 1, 2],
    "options": [
        {"name": "prompt", "type": 3, "description": "x", "required": True, "max_length": 10},
        {"name": "scale", "type": 10, "description": "x", "max_value": 30},
    ],
}


def test_what_discord_repeats_is_the_same() -> None:
    other = {"name": "queue", "description": "x"}
    assert fingerprint([SAID, other]) == fingerprint([other, REPEATED])


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Draw"},
        {"name_localizations": {"de": "male"}},
        {"options": SAID["options"][:1]},
        {"options": [SAID["options"][0] | {"max_length": 11}, SAID["options"][1]]},
        {"contexts": [0]},
    ],
)
def test_what_people_see_makes_a_difference(change: dict[str, Any]) -> None:
    assert fingerprint([SAID | change]) != fingerprint([REPEATED])
