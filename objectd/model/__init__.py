"""The records of the metadata store, their keys and their one binary codec.

`docs/format.md` fixes both; the golden files of `objectd/test/model/golden/` hold the code
to it.
"""
