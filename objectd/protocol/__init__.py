"""The S3 protocol as pure functions: AWS's published model compiled to routes, parsers and
renderers, and the closed table of errors. Nothing here does I/O or knows Twisted.

A request goes `targets.parse_target` → `routes.Router.resolve` → `operations.compiled` →
`Operation.parse`, and a result comes back through `Operation.render`. What the model does not
tell stands in `quirks`.
"""
