"""All connections of a process, and which of them makes room for a newcomer."""

from typing import Protocol

# Refused newcomers that are listened to until they have read why.
REFUSED_AT_A_TIME = 64


class Member(Protocol):
    def is_slow(self) -> bool:
        """Whether its caller sends a body too slowly for a crowded house."""

    def end(self) -> None:
        """Close the connection, whatever it does."""


class Crowd:
    """At most `limit` connections. None that is served or sends swiftly is ever ended."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._members: set[Member] = set()
        self._refused: set[Member] = set()
        # Both in the order in which the connections came to it.
        self._waiting: dict[Member, None] = {}
        self._sending: dict[Member, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def admit(self, newcomer: Member) -> bool:
        """Let a connection in, for which the one that has waited longest may have to go."""
        if len(self._members) >= self._limit and not self._make_room():
            return False
        self._members.add(newcomer)
        self.waits(newcomer)
        return True

    def refuse(self, newcomer: Member) -> bool:
        """Whether there is room to tell one that was not admitted why."""
        if len(self._refused) >= REFUSED_AT_A_TIME:
            return False
        self._refused.add(newcomer)
        return True

    def waits(self, member: Member) -> None:
        """It has no request under way: its head is to come, or what was refused still comes."""
        self.is_served(member)
        if member in self._members:
            self._waiting[member] = None

    def sends(self, member: Member) -> None:
        """Its request's body is on its way."""
        if member in self._members and member not in self._sending:
            self.is_served(member)
            self._sending[member] = None

    def is_served(self, member: Member) -> None:
        """Its request is complete, and not answered yet."""
        self._waiting.pop(member, None)
        self._sending.pop(member, None)

    def leaves(self, member: Member) -> None:
        self.is_served(member)
        self._members.discard(member)
        self._refused.discard(member)

    def _make_room(self) -> bool:
        going = next(iter(self._waiting), None)
        if going is None:
            going = next((member for member in self._sending if member.is_slow()), None)
        if going is None:
            return False
        self.leaves(going)
        going.end()
        return True
