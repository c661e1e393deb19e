"""The `twistd objectd` command."""

from twisted.application.service import ServiceMaker

objectd = ServiceMaker(
    name="objectd",
    module="objectd.tap",
    description="A self-hosted, S3-compatible object store.",
    tapname="objectd",
)
