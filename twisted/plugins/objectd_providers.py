"""The providers that come with objectd."""

from objectd.plugins import Provider

memory_metadata = Provider(
    "metadata",
    "memory",
    "Rows in memory, gone when the server stops",
    "objectd.metadata.memory:open_store",
)
rocksdb_metadata = Provider(
    "metadata",
    "rocksdb",
    "Rows in RocksDB under the data directory",
    "objectd.metadata.rocksdb:open_store",
)
sqlite_metadata = Provider(
    "metadata",
    "sqlite",
    "Rows in an SQLite file under the data directory",
    "objectd.metadata.sqlite:open_store",
)
memory_blobs = Provider(
    "blobs",
    "memory",
    "Data in memory, gone when the server stops",
    "objectd.blobs.memory:open_store",
)
disk_blobs = Provider(
    "blobs", "disk", "Data in files on one or more drives", "objectd.blobs.disk:open_store"
)
root_credentials = Provider(
    "credentials", "root", "The one key pair of the root user", "objectd.auth.root:open_credentials"
)
local_keys = Provider(
    "keys", "local", "Encryption keys in a file beside the data", "objectd.keys.local:open_keys"
)
vault_keys = Provider(
    "keys",
    "vault",
    "Encryption keys in HashiCorp Vault's transit engine",
    "objectd.keys.vault:open_keys",
)
pem_tls = Provider(
    "tls", "pem", "Certificate and key from PEM files", "objectd.web.tls:open_contexts"
)
