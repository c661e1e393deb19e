"""Every contract between objectd and its providers, readable in one sitting.

There are five kinds of provider so far: metadata stores, blob stores, credentials, TLS and
key managers. A provider is found as a Twisted plugin by kind and name (`objectd.plugins`), and
each kind of store has a conformance suite in `objectd.testing` that proves a provider.

All times are integers: microseconds since 1970-01-01 UTC. All keys are bytes and are
ordered as bytes.
"""

from __future__ import annotations

from objectd.interfaces.access import (
    ROOT_ACCOUNT,
    Credential,
    ICredentials,
    ITLSContexts,
)
from objectd.interfaces.blobs import (
    BlobFile,
    BlobLocation,
    IBlobReader,
    IBlobStore,
    IBlobWriter,
    SealedBlob,
)
from objectd.interfaces.keys import (
    ENVELOPE_KEY_BYTES,
    KEY_NAME_PATTERN,
    EnvelopeKey,
    IKeyFile,
    IKeyManager,
    IKeySwitch,
    KeyDescription,
)
from objectd.interfaces.metadata import (
    CHANGES_MAX,
    COMMIT_BYTES_MAX,
    KEY_BYTES_MAX,
    SCAN_ROWS_MAX,
    SCANS_MAX,
    VALUE_BYTES_MAX,
    Absent,
    Add,
    Append,
    At,
    Change,
    Commit,
    Delete,
    DeleteRange,
    EmptyRange,
    Entry,
    Expectation,
    ICommitGroups,
    IMetadataStore,
    Outcome,
    OutcomeKind,
    Present,
    Put,
    Row,
    Scan,
    ScanPage,
    Token,
)
from objectd.interfaces.providers import (
    HasLines,
    Host,
    IProvider,
    RunInThread,
)
from objectd.interfaces.turns import ITurns

__all__ = [
    "CHANGES_MAX",
    "COMMIT_BYTES_MAX",
    "ENVELOPE_KEY_BYTES",
    "KEY_BYTES_MAX",
    "KEY_NAME_PATTERN",
    "ROOT_ACCOUNT",
    "SCANS_MAX",
    "SCAN_ROWS_MAX",
    "VALUE_BYTES_MAX",
    "Absent",
    "Add",
    "Append",
    "At",
    "BlobFile",
    "BlobLocation",
    "Change",
    "Commit",
    "Credential",
    "Delete",
    "DeleteRange",
    "EmptyRange",
    "Entry",
    "EnvelopeKey",
    "Expectation",
    "HasLines",
    "Host",
    "IBlobReader",
    "IBlobStore",
    "IBlobWriter",
    "ICommitGroups",
    "ICredentials",
    "IKeyFile",
    "IKeyManager",
    "IKeySwitch",
    "IMetadataStore",
    "IProvider",
    "ITLSContexts",
    "ITurns",
    "KeyDescription",
    "Outcome",
    "OutcomeKind",
    "Present",
    "Put",
    "Row",
    "RunInThread",
    "Scan",
    "ScanPage",
    "SealedBlob",
    "Token",
]
