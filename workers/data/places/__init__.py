"""Opening what a registered URL names, and nothing else.

Every URL is checked against UNLEARND_SOURCES again: a row may be older than the setting, and a path
may lead elsewhere than it says.
"""

from workers.data.places.found import Found
from workers.data.places.opening import Folder, find, open_file, open_folder

__all__ = ["Folder", "Found", "find", "open_file", "open_folder"]
