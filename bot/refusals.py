"""Refusals: what it means when Discord does not take a message, by the status and code of its answer."""

import discord

TOO_LARGE, TOO_OFTEN = 40005, 30046
CLOSED = {10003, 10008, 10015, 50027}
"""Unknown channel, message or webhook, invalid token: this message cannot be changed any more."""
SHUT = {TOO_OFTEN, 40094, 50001, 50007, 50083, 50278}
"""Too many edits or further answers, no access, no direct messages, an archived thread, no server in common:
whatever it is."""
OF_FILES = {20009, TOO_LARGE, 50013}
"""Explicit content, too large, no permission: of a message with files, this is about them."""
SMALLEST_LIMIT = 10_000
"""Bytes below which a picture that Discord finds too large is not made any smaller."""


def is_too_large(error: discord.HTTPException, most: int) -> bool:
    """Whether Discord refuses pictures of `most` bytes, and may take smaller ones."""
    return (error.status == 413 or error.code == TOO_LARGE) and most > SMALLEST_LIMIT


def closes(error: discord.HTTPException) -> bool:
    """Whether this message cannot be changed any more, whatever it is to say."""
    return error.status == 401 or error.code in CLOSED


def may_mean_files(error: discord.HTTPException) -> bool:
    """Whether Discord may take the message without its files: a 429 passes by itself, as a 5xx does."""
    refused = 400 <= error.status < 500 and error.status != 429
    return refused and not closes(error) and error.code not in SHUT


def means_files(error: discord.HTTPException) -> bool:
    """Whether that is certain: then an answer to the same interaction cannot have them either."""
    return error.status == 413 or error.code in OF_FILES
