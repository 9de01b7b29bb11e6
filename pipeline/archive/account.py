"""An account of OpenAI or Azure: the official client, asked for bodies instead of models."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.archive import pages
from pipeline.archive.addresses import check_address, is_elsewhere, proxies
from pipeline.archive.layout import safe
from pipeline.archive.redaction import SECRET_VARIABLES, Redactor, known_secrets, public_url
from pipeline.errors import LakeError, UsageError

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

RETRIES = 8
TIMEOUT_SECONDS = 60.0
_ABSENT = (404, 405, 410, 501)
_PAGE, _OBJECT, _ASKED = "tunelog_page", "tunelog_object", "tunelog_asked"
_HARMLESS = {"host", "accept", "accept-encoding", "connection", "user-agent"}
_OF_JOBS = re.compile(r"/fine_tuning/jobs(?:/[^/]+)?")
_LISTS = re.compile(rb"/fine_tuning/jobs(?:/[^/]+/(?:events|checkpoints))?$")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with status 200, without secrets: in its ids, too, they are as they are kept.

    Attributes:
        url: what was asked.
        request_id: the server's name for it.
        body: as sent, after the transport's decompression.
        removed: secrets that were taken out of it.
        page: of a list endpoint.
        value: of any other endpoint but file contents.
        now: the server's time [s since 1970].
    """

    url: str
    request_id: str | None
    body: bytes
    removed: int
    page: pages.Page | None
    value: dict[str, Any] | None
    now: float


class Failure(Exception):
    """A request that failed for good, in words without secrets."""

    def __init__(
        self,
        text: str,
        status: int | None = None,
        request_id: str | None = None,
        elsewhere: bool = False,
    ) -> None:
        """Say what failed, and whether another host said so, to which a redirect led."""
        super().__init__(text)
        self.status, self.request_id, self.elsewhere = status, request_id, elsewhere

    @property
    def absent(self) -> bool:
        """The server says that it does not have what was asked for."""
        return self.status in _ABSENT

    @property
    def missing(self) -> bool:
        """What was asked for is not there; the endpoint is."""
        return self.status in (404, 410)

    @property
    def forgotten(self) -> bool:
        """The server may not know any more after which item it was asked to go on."""
        return self.absent or self.status == 400

    @property
    def refused(self) -> bool:
        """The key may not ask this. (Another host is told no key.)"""
        return self.status in (401, 403) and not self.elsewhere

    @property
    def told(self) -> str:
        """What failed, and what to do where to ask again is not enough."""
        return f"{self}: see that the key may read this" if self.refused else str(self)

    @property
    def unanswered(self) -> bool:
        """The server could not be reached, or was not able to answer."""
        if self.status is None:
            return True
        return self.status in (408, 429) or (self.status >= 500 and not self.absent)


class Asked(Protocol):
    """Whom to ask: an `Account`, or who stands before one."""

    redactor: Redactor

    def get(self, path: str, **query: str | int | None) -> Answer:
        """Ask for a path below the base URL; see `Account.get`."""


class Account:
    """Asks an account's endpoints; safe to share by threads.

    Attributes:
        concurrency: requests at once; others wait.
    """

    def __init__(self, client: OpenAI, redactor: Redactor, concurrency: int) -> None:
        """Use a client whose responses pass `_look`, and that has so many connections."""
        self._client, self.redactor, self.concurrency = client, redactor, concurrency
        self._root = str(client.base_url).rstrip("/")
        self._real: dict[str, str] = {}
        """Ids as the server knows them, by what is kept of them, where that differs; escaped."""

    def shown(self, job: str) -> str:
        """A job's id as it is kept, and may be asked for."""
        kept = self.redactor.identity(job)
        if kept != job:
            self._real[safe(kept)] = safe(job)
        return kept

    def get(self, path: str, **query: str | int | None) -> Answer:
        """Ask for a path below the base URL.

        Raises:
            Failure: after all retries.
        """
        import httpx2
        import openai

        given = {k: self._asked(safe(str(v))) for k, v in query.items() if v is not None}
        asked = "&".join(f"{name}={value}" for name, value in given.items())
        # A whole URL: the client would parse one that it puts together itself twice as often.
        url = f"{self._root}{self._asked(path)}{asked and '?'}{asked}"
        try:
            response = self._client.get(url, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            raise self._failure(path, error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            why = f": {type(cause).__name__}: {cause}" if cause else ""
            place = public_url(str(error.request.url))
            raise Failure(self.redactor.text(f"{place}: {error.message}{why}")) from None
        except Exception as error:  # its text and its causes may hold the key
            told = f"{path}: {type(error).__name__}: {error}"
            raise Failure(self.redactor.text(told)) from None
        of_jobs = _OF_JOBS.fullmatch(path) is not None
        body, removed = self.redactor.body(response.content, of_jobs=of_jobs)
        page, value = response.extensions.get(_PAGE), response.extensions.get(_OBJECT)
        if removed:
            page, value = self._kept(path, body, page, value)
        place = public_url(str(response.request.extensions[_ASKED]))
        for kept, real in list(self._real.items()):
            place = place.replace(real, kept)
        return Answer(
            url=self.redactor.text(place),
            request_id=self._request_id(response),
            body=body,
            removed=removed,
            page=page,
            value=value,
            now=_server_time(response),
        )

    def _asked(self, path: str) -> str:
        return "/".join(self._real.get(part, part) for part in path.split("/"))

    def _kept(
        self, path: str, body: bytes, page: pages.Page | None, value: dict[str, Any] | None
    ) -> tuple[pages.Page | None, dict[str, Any] | None]:
        """Page and object as a body without secrets has them; what ids were is remembered."""
        if page is None and value is None:
            return None, None
        try:
            found = pages.parsed(body)
            kept = pages.page(found) if page is not None else None
        except pages.Malformed:
            raise Failure(f"{path}: a secret stands in it where it cannot be removed") from None
        pairs = zip(page.items, kept.items, strict=True) if page and kept else [(value, found)]
        for was, item in pairs:
            for real, name in zip(_ids(was or {}), _ids(item), strict=True):
                if real != name and self._real.setdefault(safe(name), safe(real)) != safe(real):
                    raise Failure(f"{path}: two ids are the same without a secret in them")
        return kept, (found if page is None else None)

    def _request_id(self, response: httpx2.Response) -> str | None:
        told = response.headers.get("x-request-id") or response.headers.get("apim-request-id")
        return self.redactor.text(told) if told else None

    def _failure(self, path: str, error: Any) -> Failure:
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None
        told = self.redactor.text(" ".join(str(message or error.message).split()))[:300]
        wait = error.response.headers.get("retry-after")
        again = f" (try again in {wait} s)" if wait and error.status_code == 429 else ""
        text = self.redactor.text(f"{path}: status {error.status_code}: {told}{again}")
        request = error.response.request
        elsewhere = is_elsewhere(request.extensions[_ASKED], request.url)
        return Failure(text, error.status_code, self._request_id(error.response), elsewhere)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def connect(
    *,
    azure_endpoint: str | None = None,
    api_version: str | None = None,
    concurrency: int = 8,
    retries: int = RETRIES,
    timeout: float = TIMEOUT_SECONDS,
) -> Account:
    """The account that the environment names, by the variables of the official client.

    Args:
        azure_endpoint: an Azure resource, instead of OpenAI.
        api_version: of Azure's API; ``$OPENAI_API_VERSION`` by default.
        concurrency: requests at once.
        retries: of a request, with the client's back-off.
        timeout: until a connection is made or bytes arrive [s].

    Raises:
        UsageError: a setting is missing, or is none.
        LakeError: the client is not installed.
    """
    try:
        import httpx2
        import openai
    except ImportError:
        told = "openai: the API's client is not installed: pip install 'tunelog[archive]'"
        raise LakeError(told) from None
    for name in SECRET_VARIABLES:
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise UsageError(f"{name}: holds a character that no key has: set it anew")
    check_address(azure_endpoint)
    redactor = Redactor(known_secrets(azure_endpoint))
    redactor.guard_logs()
    # A request takes its turn only while it is under way, not while it is made or read.
    patience = httpx2.Timeout(timeout, pool=None)
    most = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    try:
        http = openai.DefaultHttpxClient(
            event_hooks={"request": [_note], "response": [_look]}, limits=most, timeout=patience
        )
    except Exception as error:  # all that can be wrong here are proxies, of which many kinds tell
        raise UsageError(
            f"{proxies()}: {redactor.text(str(error)).rstrip('.')}: mend or unset it"
        ) from None
    how: Any = {"max_retries": retries, "timeout": patience, "http_client": http}
    try:
        client: OpenAI
        if azure_endpoint is None:
            client = openai.OpenAI(**how)
        else:
            client = openai.AzureOpenAI(
                azure_endpoint=azure_endpoint, api_version=api_version, **how
            )
    except Exception as error:  # bad settings raise many kinds, and their texts may hold the key
        azure = azure_endpoint is not None
        keys = [name for name in SECRET_VARIABLES if name.startswith("AZURE") == azure]
        if not any(os.environ.get(name) for name in keys):
            also = "" if azure else ", or name an Azure resource by --azure-endpoint"
            raise UsageError(f"{keys[0]}: is not set: export it{also}") from None
        version = "OPENAI_API_VERSION"
        if azure and not (api_version or os.environ.get(version)):
            raise UsageError(f"{version}: is not set: export it, or give --api-version") from None
        raise UsageError(f"tunelog archive: {redactor.text(str(error))}") from None
    return Account(client, redactor, concurrency)


def _note(request: httpx2.Request) -> None:
    """Remember what was asked, wherever redirects lead; tell other hosts nothing but that."""
    asked = request.extensions.setdefault(_ASKED, request.url)
    if is_elsewhere(asked, request.url):
        for name in {*request.headers} - _HARMLESS:
            del request.headers[name]


def _look(response: httpx2.Response) -> None:
    """Let the client take a malformed body for a broken connection, and try again."""
    import httpx2

    asked = response.request.extensions[_ASKED]
    path = asked.raw_path.partition(b"?")[0]  # an id's slashes still escaped
    if not response.is_success:
        return
    try:
        if response.status_code != 200:
            raise pages.Malformed(f"status {response.status_code} instead of 200")
        if path.endswith(b"/content"):
            if response.read().lstrip()[:1] in (b"<", b"{"):  # CSV and base64 begin with neither
                raise pages.Malformed("a page or an object instead of a result file")
            return
        value = pages.parsed(response.read())
        if _LISTS.search(path):
            response.extensions[_PAGE] = pages.page(value)
        elif isinstance(value.get("id"), str):
            response.extensions[_OBJECT] = value
        else:
            raise pages.Malformed("an object without id")
    except pages.Malformed as error:
        raise httpx2.RemoteProtocolError(str(error), request=response.request) from None


def _ids(item: dict[str, Any]) -> list[str]:
    """The ids in an object that may be asked for."""
    files = item.get("result_files")
    named = [name for name in files if isinstance(name, str)] if isinstance(files, list) else []
    return [item["id"], *named]


def _server_time(response: httpx2.Response) -> float:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return time.time()
