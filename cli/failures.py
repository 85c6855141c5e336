"""Failure: why a client of the command line ends without what was asked for."""

from cli.exit_codes import EXIT_CODES


class Failure(Exception):
    """A stable `code`, the server's or one of cli.exit_codes, and a sentence for a person.

    `retry_after` is the seconds after which the server wants to be asked again, where it said so.
    """

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after

    @property
    def exit_code(self) -> int:
        """What a script is told."""
        return EXIT_CODES.get(self.code, 1)

    @property
    def may_pass(self) -> bool:
        """Whether nothing is wrong with the request: later it may be taken."""
        return self.exit_code == 3

    def __str__(self) -> str:
        again = f" (try again in {self.retry_after:g} s)" if self.retry_after is not None else ""
        return f"{self.code}: {self.message}{again}"
