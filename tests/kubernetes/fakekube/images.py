"""Which images can be pulled, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Images:
    """`known` are prefixes of image names; empty means that every image is there but those whose tag is `missing`.

    `variables` is the environment that the image itself sets."""

    known: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def refusal(self, image: str) -> str | None:
        """Why the image cannot be pulled, in containerd's words; None when it can."""
        there = image.startswith(self.known) if self.known else not image.endswith(":missing")
        if there:
            return None
        return (
            f'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull and unpack image '
            f'"{image}": failed to resolve reference "{image}": {image}: not found'
        )
