"""S3 over HTTP on an object store: what one process that answers requests is made of."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from twisted.logger import Logger

from objectd.errors import ObjectdError
from objectd.interfaces import ICredentials, ITLSContexts, RunInThread
from objectd.objects import ObjectStore
from objectd.objects.store import wall_clock_us
from objectd.process.descriptors import room_for_connections
from objectd.protocol.model import load_s3_model
from objectd.protocol.targets import bucket_in_host
from objectd.s3.application import S3Application, S3Settings
from objectd.settings import Configuration
from objectd.web.accesslog import AccessLog
from objectd.web.front import Front
from objectd.web.ids import RequestIds
from objectd.web.limits import Limits
from objectd.web.site import Site
from objectd.web.tree import build_tree

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["fitting", "reload_certificate", "site_of"]

_log = Logger()


def site_of(
    store: ObjectStore,
    credentials: ICredentials,
    configuration: Configuration,
    *,
    limits: Limits,
    reactor: PosixReactorBase,
    run_in_thread: RunInThread,
    is_ready: Callable[[], bool],
) -> Site:
    """What listens is for the caller to add."""
    server = configuration.server
    application = S3Application(
        store,
        credentials,
        load_s3_model(),
        clock=reactor,
        now_us=wall_clock_us,
        run_in_thread=run_in_thread,
        settings=S3Settings(
            server.region,
            server.domains,
            server.strict_region,
            server.patience_seconds,
            configuration.encryption.sse_c_without_tls,
        ),
    )
    tree = build_tree(
        application,
        ready=is_ready,
        names_bucket=lambda request: bucket_in_host(request, server.domains) is not None,
    )
    access_log = AccessLog(reactor)
    return Site(
        Front(application.respond, tree),
        application,
        clock=reactor,
        now=time.time,
        new_request_id=RequestIds(secrets.token_bytes),
        log_request=access_log.add,
        flush_log=access_log.flush,
        limits=limits,
        deadlines=configuration.deadlines,
    )


def fitting(limits: Limits) -> Limits:
    """The limits, with as many connections as this process has file descriptors for."""
    room = room_for_connections(limits.connections, limits.uploads + limits.downloads)
    if room < limits.connections:
        _log.warn(
            "there are file descriptors for {room} connections only, not {wanted}: raise the "
            "hard limit of open files, or lower limits.connections",
            room=room,
            wanted=limits.connections,
        )
    return attrs.evolve(limits, connections=room)


def reload_certificate(contexts: ITLSContexts) -> None:
    """If that fails the old one stays in use."""
    try:
        contexts.reload()
    except ObjectdError as error:
        _log.error("the certificate stays as it was: {error}", error=error)
    else:
        _log.info("the certificate was read again")
