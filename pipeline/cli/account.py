"""Whom `archive` and `watch` ask: options, the connection, what its failures come to."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.options import Finite
from pipeline.errors import DataError, LakeError, TunelogError, UsageError
from pipeline.interrupts import is_interrupt

if TYPE_CHECKING:
    from pipeline.archive.account import Account, Failure

F = TypeVar("F", bound=Callable[..., Any])


def account_options(command: F) -> F:
    """Add the options that say whom to ask, and how patiently: those of `connected`."""
    for option in (
        click.option(
            "--timeout", type=Finite(min=0.1, max=86_400), default=60.0, show_default=True,
            metavar="SECONDS", help="How long to wait for an answer.",
        ),
        click.option(
            "--retries", type=click.IntRange(min=0), default=8, show_default=True, metavar="N",
            help="How often to try a request again.",
        ),
        click.option(
            "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True,
            metavar="N", help="Requests at once.",
        ),
        click.option(
            "--api-version", metavar="VERSION",
            help="Version of Azure's API, needed there  [env: OPENAI_API_VERSION].",
        ),
        click.option(
            "--azure-endpoint", metavar="URL",
            help="Azure resource to ask instead of OpenAI  [env: AZURE_OPENAI_ENDPOINT, where"
            " OPENAI_API_KEY is not set].",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def connected(*, azure_endpoint: str | None, **how: Any) -> Account:
    """The account that options and environment name; closed with the command.

    Args:
        azure_endpoint: as the option.
        how: the other options of `account_options`.

    Raises:
        UsageError: a setting is missing, or two name an account each.
        LakeError: the client is not installed.
    """
    from pipeline.archive.account import connect

    if azure_endpoint is None:
        azure_endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT")
        if os.environ.get("OPENAI_API_KEY"):
            if azure_endpoint:
                raise UsageError(
                    "OPENAI_API_KEY and AZURE_OPENAI_ENDPOINT: both are set: for Azure add"
                    ' --azure-endpoint "$AZURE_OPENAI_ENDPOINT", for OpenAI unset'
                    " AZURE_OPENAI_ENDPOINT"
                )
            azure_endpoint = None
    account = connect(azure_endpoint=azure_endpoint, **how)
    click.get_current_context().call_on_close(account.close)
    return account


@contextmanager
def guarded(account: Account) -> Iterator[None]:
    """Let no key reach a traceback: an error that nobody foresaw is told without secrets."""
    try:
        yield
    except (TunelogError, click.ClickException, OSError):
        raise
    except Exception as error:  # a bug: whatever its text holds, the key is taken out of it
        if is_interrupt(error):
            raise
        click.echo(account.redactor.text(traceback.format_exc()), err=True)
        command, name = click.get_current_context().command_path, type(error).__name__
        raise LakeError(f"{command}: {name}: please report this as a bug") from None


def refusal(failure: Failure) -> TunelogError:
    """The error that ends a command whose first request failed."""
    if failure.refused and failure.status == 403:
        return UsageError(failure.told)
    if failure.refused:
        return UsageError(f"{failure}: set OPENAI_API_KEY, or AZURE_OPENAI_API_KEY, to a valid key")
    if failure.absent or failure.status == 400:
        return UsageError(f"{failure}: check OPENAI_BASE_URL or the endpoint, and the API version")
    if failure.status is None:
        where = "the network, and OPENAI_BASE_URL or the endpoint"
        return DataError(f"{failure}: check {where}; nothing was lost: run the same command again")
    return DataError(f"{failure}: nothing was lost: run the same command again")
