"""Hostile HTTP from a seed: conversations that are drawn, had with a server, and judged.

    python -m objectd.test.fuzz SEED [--seconds 600] [--process]

has conversations with a server in memory (`memory`) or, with `--process`, with a real one over
sockets (`process`). Most requests are valid and signed so that handlers are reached; `requests`
draws them, `spoiling` and `documents` break them, `conversations` puts several on a connection
and cuts them, `answers` reads what comes back, and `judging` says what may never come.
"""
