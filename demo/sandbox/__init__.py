"""La Piazzetta: a network to try Ascolto on, in a process of its own (`python -m demo.sandbox`).

It speaks Mastodon's API, so that Ascolto meets it through the same connector as any server, and has a page where a
newcomer plays a customer. It can also misbehave on purpose, which is how the outbox is tested. It starts only in the
demo and in tests, and only on the loopback address.
"""
