"""What `unlearnd up` lets a person at this machine register, where no setting says it."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from tempfile import gettempdir

from service.core.settings import Settings
from service.core.sources import SourceError, is_system, of_path, prefix_of

# Folders in which nobody keeps data, should a command be started there.
OF_THE_SYSTEM = ("/boot", "/etc", "/run", "/usr")
DATA = "/data"


def for_one_person(settings: Settings) -> Settings:
    """Settings that allow a person's own folders, where only this machine can call the API.

    An operator's own UNLEARND_SOURCES stays as it is. On any other address the home alone is open.
    """
    if settings.sources is not None or not is_loopback(settings.host):
        return settings
    return settings.model_copy(update={"sources": own_folders(settings.home_dir)})


def is_loopback(host: str) -> bool:
    """Whether only processes of this machine can connect to the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def own_folders(home: Path) -> list[str]:
    """The home, a person's home, the working folder, temporary files, the hub's cache, and /data.

    As prefixes. Hidden folders in them stay closed.
    """
    places = [home, *_home(), Path.cwd(), *_as_entered(), Path(gettempdir()), hub(), Path(DATA)]
    prefixes = (_prefix(place) for place in places)
    return list(dict.fromkeys(prefix for prefix in prefixes if prefix is not None))


def hub() -> Path:
    """Where `huggingface_hub` keeps what it has fetched."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub")


def _home() -> Iterator[Path]:
    try:
        yield Path.home()
    except RuntimeError:
        return


def _as_entered() -> Iterator[Path]:
    """The working folder by the path that a shell shows, which may have links in it."""
    entered = Path(os.environ.get("PWD", ""))
    if entered.is_absolute() and entered.exists() and entered.samefile(Path.cwd()):
        yield entered


def _prefix(place: Path) -> str | None:
    """A folder as a prefix; None where it is the system's, or has a name that no URL can have."""
    try:
        text = f"file://{place.expanduser().absolute()}"
        location = prefix_of(text)
    except (SourceError, RuntimeError):
        return None
    if not location.segments or "," in text or is_system(location):
        return None
    if any(location.is_in(of_path(folder)) for folder in OF_THE_SYSTEM):
        return None
    return text
