"""What runs, in which order, with which retries, and who is told. The outside world is reached through `connectors`."""

from flows import console

# Here, because a worker imports one flow's module and nothing else.
console.install()
