"""When to ask no more: the key is not taken any more, or the server answers nothing."""

from __future__ import annotations

import threading

from pipeline.archive.account import Account, Answer, Failure

IN_A_ROW = 16
"""So many requests that fail after all retries, without an answer between them, are an outage."""

REFUSED_IN_A_ROW = 3
"""So many requests with status 401, without an answer between them: the key is taken no more."""

_FILES = "/files/"
"""Paths that a key may be kept from while it may ask for all else."""

_KEY = (
    "check that OPENAI_API_KEY, or AZURE_OPENAI_API_KEY, is valid and may ask this, and run the"
    " same command again"
)


class Hopeless(Exception):
    """To ask on brings nothing: why, in words without secrets, and what to do."""


class Bounded:
    """An account that is asked no more once that is hopeless; safe to share by threads."""

    def __init__(self, account: Account) -> None:
        """Ask an account."""
        self._account, self.redactor = account, account.redactor
        self._mutex = threading.Lock()
        self._failed = self._refused = 0
        self._why: str | None = None

    def shown(self, job: str) -> str:
        """A job's id as it is kept; see `Account.shown`."""
        return self._account.shown(job)

    def get(self, path: str, **query: str | int | None) -> Answer:
        """Ask for a path; see `Account.get`.

        Raises:
            Failure: after all retries.
            Hopeless: in this request or an earlier one.
        """
        if self._why:
            raise Hopeless(self._why)
        try:
            answer = self._account.get(path, **query)
        except Failure as failure:
            with self._mutex:
                self._why = self._why or self._judged(path, failure)
            if self._why:
                raise Hopeless(self._why) from None
            raise
        with self._mutex:
            self._failed = self._refused = 0
        return answer

    def _judged(self, path: str, failure: Failure) -> str | None:
        """Why to ask no more, if that is so after this failure."""
        if failure.refused and path.startswith(_FILES):
            return None
        if failure.elsewhere or not (failure.refused or failure.unanswered):
            self._failed = self._refused = 0  # the server is there, and knows us
            return None
        self._failed += 1
        self._refused += failure.status == 401
        if self._failed < IN_A_ROW and self._refused < REFUSED_IN_A_ROW:
            return None
        many = f"{self._failed} requests in a row failed, the last: {failure}"
        return f"{many}: {_KEY if failure.refused else 'run the same command again later'}"
