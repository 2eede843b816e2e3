"""The token that etcd wants with each call when its users are switched on.

Promises: asked for once and shared by all threads; renewed when a member says that it is not (or no longer) valid, and then by one
thread only. etcd's tokens end after five minutes without use, and with a restart of the member that keeps them.
Never: a password or token in an error or a log line.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import grpc
from pyetcd import etcdrpc

from holdfast.errors import MetadataUnavailableError

if TYPE_CHECKING:
    from typing import TypeAlias

    from holdfast.meta.etcd.channels import Member
    from holdfast.meta.etcd.options import Login

    Metadata: TypeAlias = tuple[tuple[str, str], ...]

_NOT_ENABLED: Final = "etcdserver: authentication is not enabled"
# A member that lost its leader turns the call away at once instead of keeping it.
_HAS_LEADER: Final = ("hasleader", "true")


class Tokens:
    """``login`` None: there are no tokens."""

    def __init__(self, login: Login | None) -> None:
        self._login = login
        self._lock = threading.Lock()
        # None: to be asked for. Empty: etcd's users are switched off.
        self._token: str | None = None if login else ""

    def metadata(self, member: Member, timeout_seconds: float, *, leader: bool) -> Metadata:
        """What to send along. May ask ``member`` for a token first; when that fails, nothing else was asked.

        Raises:
            grpc.RpcError: no token was given. MetadataUnavailableError: another thread is asking, and gets no answer.
        """
        token = self._token
        if token is None:
            token = self._ask_alone(member, timeout_seconds)
        return (*((_HAS_LEADER,) if leader else ()), *((("token", token),) if token else ()))

    def renew(self, used: Metadata) -> bool:
        """A member did not take the token. False: there is no other to be had."""
        if self._login is None:
            return False
        # No lock: a token that another thread has got meanwhile is another one, and what is lost at worst is a login.
        if self._token == dict(used).get("token", ""):
            self._token = None
        return True

    def _ask_alone(self, member: Member, timeout_seconds: float) -> str:
        # One at a time, because a login costs etcd a tenth of a second of one core; but nobody waits in line for long.
        if not self._lock.acquire(timeout=timeout_seconds):
            raise MetadataUnavailableError("etcd does not answer a login")
        try:
            if self._token is None:
                self._token = self._ask(member, timeout_seconds)
            return self._token
        finally:
            self._lock.release()

    def _ask(self, member: Member, timeout_seconds: float) -> str:
        if self._login is None:
            return ""
        request = etcdrpc.AuthenticateRequest(name=self._login.user, password=self._login.password)
        try:
            response: Any = member.auth.Authenticate(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            if error.details() == _NOT_ENABLED:
                return ""
            raise
        return str(response.token)
