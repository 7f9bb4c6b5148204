"""What `m3scale serve` listens to, how much it takes, and what it may fetch."""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from m3_backbone.serialization import show
from scripts.terminal.option_types import InputFile
from scripts.terminal.outputs import OutputFile

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""What clients on this machine call it."""

LARGEST = 1e6
"""Megabytes of a body and megapixels of images: what nobody sends, and a number can still count."""

# Names of variables, no secrets.
TOKEN_VARIABLE = "M3SCALE_TOKEN"  # noqa: S105
UPSTREAM_TOKEN = "M3SCALE_UPSTREAM_TOKEN"  # noqa: S105


def write_host(host: str) -> str:
    """Write a name or an address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches an address.

    Args:
        address: as a socket gives it, not as a user writes it: 127.1 and names are none.

    >>> [is_loopback(one) for one in ("127.0.1.1", "::1", "::ffff:127.0.0.1", "0.0.0.0")]
    [True, True, True, False]
    """
    one = ipaddress.ip_address(address)
    mapped = one.ipv4_mapped if isinstance(one, ipaddress.IPv6Address) else None
    return (mapped or one).is_loopback


def is_address(url: str) -> bool:
    """Tell whether a server can be asked at an address, as httpx2 and the system read it.

    >>> [is_address(one) for one in ("http://host:8000", "http://host:port", "host:8000")]
    [True, False, False]
    """
    from httpx2 import URL, InvalidURL

    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url):
        return False
    try:
        place = URL(url)
        place.raw_host.decode("ascii").encode("idna")  # as it is when the name is looked up
    except (InvalidURL, UnicodeError):
        return False
    return bool(place.host) and (place.port is None or 1 <= place.port <= 65535)


def check_token(text: str, origin: str) -> str:
    """Take the spaces and line breaks from around a token.

    Args:
        text: what was found.
        origin: where.

    Raises:
        ValueError: if it is empty, or no line of visible ASCII.
    """
    token = text.strip()
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise ValueError(f"{origin} must hold a token: one word of letters, digits and signs")
    return token


def read_variable(name: str) -> str | None:
    """Find the token in a variable of the environment; None if there is no such variable."""
    return check_token(os.environ[name], name) if name in os.environ else None


def is_log(path: Path) -> bool:
    """Tell whether a file is a log of decisions, to be gone on with.

    Args:
        path: the file. What is none is a ValueError.
    """
    from predictor.requests.decisions import check_log

    check_log(path)
    return True


@dataclass(frozen=True)
class ServeSettings:
    """Where the server listens and what it takes; what a field means is its help."""

    host: str = field(
        default="127.0.0.1",
        metadata={"help": "Address to listen at; 0.0.0.0 lets other machines in."},
    )
    port: int = field(
        default=8000, metadata={"help": "Port; 0 takes a free one.", "min": 0, "max": 65535}
    )
    name: str | None = field(
        default=None,
        metadata={"help": "What clients call the model.  [default: that of --model]"},
    )
    allowed_hosts: tuple[str, ...] = field(
        default=(),
        metadata={
            "option": "--allowed-host",
            "metavar": "NAME",
            "help": "Other name that clients call the server by, as behind a proxy, such as "
            "chat.example.org or *.example.org.  [default: none at a loopback --host, else any]",
        },
    )
    token_file: Path | None = field(
        default=None,
        metadata={
            "help": "File of the token that clients must send as Authorization: Bearer.  "
            f"[default: the variable {TOKEN_VARIABLE}, if it is set]",
            "type": InputFile(),
        },
    )
    max_requests: int = field(
        default=64,
        metadata={"help": "Requests at once; more are told to come back.", "min": 1},
    )
    max_seconds: float = field(
        default=120.0, metadata={"help": "Longest time for an answer.", "min": 0.001}
    )
    max_new_tokens: int = field(
        default=256,
        metadata={"help": "Longest answer, and that of requests which name none.", "min": 1},
    )
    max_body_mb: float = field(
        default=20.0,
        metadata={"help": "Largest body of a request.", "min": 0.001, "max": LARGEST},
    )
    max_images: int = field(
        default=8, metadata={"help": "Most images of a conversation.", "min": 1}
    )
    max_megapixels: float = field(
        default=50.0,
        metadata={
            "help": "Largest images, all of a conversation together.",
            "min": 0.001,
            "max": LARGEST,
        },
    )
    remote_images: tuple[str, ...] = field(
        default=(),
        metadata={
            "metavar": "HOST",
            "help": "Fetch images from this host, such as images.example.org or *.example.org, "
            "where a request names their address; never from private networks.  "
            "[default: from none]",
        },
    )
    upstreams: tuple[str, ...] = field(
        default=(),
        metadata={
            "option": "--upstream",
            "metavar": "URL",
            "help": "Address of a vLLM server with the plug-in on the same checkpoint, which reads "
            "and answers instead of --engine; several share the requests.",
        },
    )
    log: Path | None = field(
        default=None,
        metadata={
            "help": "File that gets a line of JSON for each answer: its scale, why, and what it "
            "cost; never its words.",
            "type": OutputFile(is_log),
        },
    )
    ui: bool = field(default=False, metadata={"help": "Show a page at / to try it by hand."})
    grace_seconds: int = field(
        default=60,
        metadata={"help": "At SIGTERM, time to finish what was accepted.", "min": 0},
    )

    def __post_init__(self) -> None:
        """Refuse addresses and names that are none.

        Raises:
            ValueError: if there are any.
        """
        for url in self.upstreams:
            if not is_address(url):
                raise ValueError(
                    f"--upstream wants an address such as http://host:8000, got {show(url)}"
                )
        if self.name == "":
            raise ValueError("--name is empty: expected what clients call the model, such as m3")
        for host in self.remote_images:
            if not re.fullmatch(r"[^/@\s]+", host):
                raise ValueError(
                    "--remote-images wants a host without http:// and path, such as "
                    f"images.example.org or *.example.org:8080, got {show(host)}"
                )
        for name in self.allowed_hosts:
            if not re.fullmatch(r"[^/:@\s\[\]]+|\[[0-9a-fA-F:.]+\]", name):
                raise ValueError(
                    "--allowed-host wants a name without http:// and port, such as "
                    f"chat.example.org or *.example.org, got {show(name)}"
                )

    def read_token(self) -> str | None:
        """Find the token that clients must send.

        Returns:
            The token; None if anybody may ask. What is no token is the ValueError of `check_token`.
        """
        if self.token_file is not None:
            content = self.token_file.read_bytes().decode(errors="replace")
            return check_token(content, str(self.token_file))
        return read_variable(TOKEN_VARIABLE)

    def name_of(self, model: str) -> str:
        """Give the name that clients call a model; of a folder the last part of its path."""
        if self.name is not None:
            return self.name
        return Path(model).resolve().name if Path(model).is_dir() else model

    def list_own_hosts(self, address: str) -> tuple[str, ...]:
        """List the names that clients may call the server by beside those that are allowed.

        Args:
            address: where it listens, as its socket gives it.

        Returns:
            The names; none if it may be called by any.
        """
        if not is_loopback(address) and not self.allowed_hosts:
            return ()
        return (*LOOPBACK, write_host(self.host), write_host(address))
