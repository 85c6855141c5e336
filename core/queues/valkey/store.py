"""Store: one Valkey as calls of scripts. What the scripts share stands in `lua/common.lua`.

Every script is safe to repeat, so a call whose answer was lost is made again. A call of the front half gives
up within two seconds (`call`); one of the worker half waits for as long as Valkey is away (`insist`).
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as AwayError
from redis.exceptions import MasterDownError, NoScriptError, ReadOnlyError, RedisError

from core.errors import QueueUnavailable
from core.queues.valkey.outage import AWAY, Outage, as_unavailable, is_full
from core.queues.valkey.resolving import look_up_first
from core.settings import Settings, SettingsError

PREFIX = "{sd}:"
"""Of all keys: with a hash tag, so that a cluster holds them on one node."""
CALL_SECONDS = 2.0
"""How long one call may take, all its repetitions included."""
CONNECTIONS = 18
AT_ONCE = 12
"""Calls under way; more of them wait here, where that does not count against CALL_SECONDS."""
AGAIN_SECONDS = 0.2
"""Between two tries of what waits for the queue."""

REPLACED = (ReadOnlyError, MasterDownError)
"""Those of a server that is a replica by now; its address may lead to another one."""

Arg = bytes | str | int | float | memoryview

NO_TURN = nullcontext()


class Store:
    """Scripts, and plain commands for pictures, which are too large for them.

    `skew` is seconds that are added to Valkey's clock: tests let time pass with it. Raises SettingsError
    where no connection can be made of REDIS_URL.
    """

    def __init__(self, settings: Settings, *, skew: Callable[[], float] = lambda: 0.0) -> None:
        self._client: Redis = Redis.from_pool(_pool(settings.redis_url))
        self._skew = skew
        self._settings = (
            round(settings.lease_ttl * 1000),
            round(settings.result_ttl * 1000),
            settings.result_max_bytes,
        )
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.outage = Outage()
        self._failures = 0
        """Calls that found the queue away."""
        self.calls = 0
        """Calls under way, those that insist included."""

    async def call(
        self,
        script: str,
        *args: Arg,
        last: Callable[[], Sequence[Arg]] = tuple,
        turn: AbstractAsyncContextManager[object] = NO_TURN,
    ) -> Any:
        """One script's answer; `last` tells arguments at the moment of the call. Raises QueueUnavailable.

        `turn` lets only so many calls of one sort go at once; it is taken before that of all calls.
        """
        return await self._bounded(script, lambda: self._run(script, (*args, *last())), turn)

    async def insist(self, script: str, *args: Arg, last: Callable[[], Sequence[Arg]] = tuple) -> Any:
        """One script's answer, however long that takes; `last` as in `call`, at the moment of each try."""
        return await self.until_there(lambda: self.call(script, *args, last=last))

    async def attempt(self, script: str, *args: Arg, whole: bool = False) -> None:
        """Run a script if the queue is there, else do nothing: for news that it finds out in time without us.

        `whole` sends the script's source instead of its digest. A Valkey that stands still runs it when it
        goes on; by then nobody here would hear that it does not know the digest. It does not help a new
        connection that begins with a password or a database: that waits for an answer before any script.
        """
        with suppress(QueueUnavailable):
            await self._bounded(script, lambda: self._run(script, args, whole=whole))

    async def command(self, name: str, key: str, *args: Arg, **options: int) -> Any:
        """A plain command's answer. Raises QueueUnavailable, as `call` does."""
        return await self._bounded(name, lambda: getattr(self._client, name)(PREFIX + key, *args, **options))

    async def once(self, script: str, *args: Arg) -> Any:
        """One try of a script, whose limit the caller sets. Raises QueueUnavailable."""
        return await self._once(script, lambda: self._run(script, args))

    async def command_once(self, name: str, key: str, *args: Arg, **options: int) -> Any:
        """One try of a plain command, whose limit the caller sets. Raises QueueUnavailable."""
        return await self._once(name, lambda: getattr(self._client, name)(PREFIX + key, *args, **options))

    async def until_there(self, attempt: Callable[[], Any], *, although_full: bool = True) -> Any:
        """Try until the queue is there. Unless `although_full`, the caller sees to a memory that is full."""
        while True:
            try:
                return await attempt()
            except QueueUnavailable as error:
                if is_full(error) and not although_full:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _run(self, script: str, args: Sequence[Arg], *, whole: bool = False) -> Any:
        source, digest = load(script)
        head = (round(self._skew() * 1000), *self._settings)
        if not whole:
            try:
                return await self._client.evalsha(digest, 1, PREFIX, *head, *args)
            except NoScriptError as error:  # it was restarted, or is another one after a failover
                # A frame of redis-py keeps it in a circle: a picture of the caller's would stay with it.
                error.__traceback__ = None
        return await self._client.eval(source, 1, PREFIX, *head, *args)

    async def _bounded(
        self, name: str, run: Callable[[], Any], turn: AbstractAsyncContextManager[object] = NO_TURN
    ) -> Any:
        failures = self._failures
        with self._call(name):
            try:
                async with turn, self._turns:
                    if self._failures != failures:  # found to be away meanwhile: who waited need not try
                        raise TimeoutError
                    return await self._reach(run)
            except AWAY:
                self._failures += 1
                raise

    async def _once(self, name: str, run: Callable[[], Any]) -> Any:
        with self._call(name):
            try:
                return await run()
            except REPLACED:
                await self._connect_anew()
                raise

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        """One try of a call: counted while it is under way, and told to the log if it comes to nothing."""
        self.calls += 1
        try:
            yield
            self.outage.worked(name)
        except (*AWAY, RedisError) as error:
            away = as_unavailable(error)
            if away is None:
                raise
            self.outage.failed(name, away, error)
            raise away from error
        finally:
            self.calls -= 1

    async def _reach(self, run: Callable[[], Any]) -> Any:
        """Within CALL_SECONDS. After a failover, connections still lead to the old server."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await run()
        except (*REPLACED, TimeoutError):
            await self._connect_anew()
            raise

    async def _connect_anew(self) -> None:
        pool: Any = self._client.connection_pool  # one of its methods has no types
        await pool.update_active_connections_for_reconnect()
        for connection in list(pool._available_connections):
            # The pool's own `disconnect` waits: over TLS until a server that hangs has agreed to it.
            await connection.disconnect(nowait=True)


class _Pool(BlockingConnectionPool):
    """Whoever is cut off gives his connection back all the same.

    redis-py lets go of one at a time, and closes some; who is cut off while he waits for that would leave his
    in use for good, and with the last of them no call would come through any more.
    """

    async def release(self, connection: Any) -> None:
        await asyncio.shield(super().release(connection))


def connection_options() -> dict[str, Any]:
    """A connection, too, is made within CALL_SECONDS, however far away Valkey is."""
    greeting = {"protocol": 2, "driver_info": None}  # it asks only what it must
    # No socket_timeout: its wait_for swallows cancellations on Python 3.11. Each call has a limit of its own.
    return {"socket_timeout": None, "socket_connect_timeout": CALL_SECONDS, **greeting}


def _pool(url: str) -> _Pool:
    """The connections to an address; one of them is made that leads nowhere, for what is wrong to show."""
    try:
        pool = _Pool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=CALL_SECONDS,
            **connection_options(),
            retry=Retry(ConstantBackoff(0.1), 10),
            retry_on_error=[AwayError],
        )
        look_up_first(pool)
        unconnected = pool.connection_class(**pool.connection_kwargs)
        if isinstance(unconnected, SSLConnection):
            unconnected.ssl_context.get()  # reads the certificates
    except (TypeError, ValueError, OSError, RedisError) as error:
        raise SettingsError("REDIS_URL", f"no connection can be made of it: {error}") from None
    return pool


@cache
def load(script: str) -> tuple[str, str]:
    """A script with the parts that it names in its first line, in that order, and its digest."""
    folder = files(__package__) / "lua"
    source = (folder / f"{script}.lua").read_text(encoding="utf-8")
    named = re.match(r"-- with: (.+)\n", source)
    parts = ["common", *(named[1].split() if named else ())]
    whole = "\n".join([*((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts), source])
    return whole, hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()
