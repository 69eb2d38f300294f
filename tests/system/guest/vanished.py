"""Those who vanished at the beginning are gone by now."""

import time

from harness import check, require, require_equal, show
from vanishing import LONGEST, rooms


@check("clients that have vanished are gone")
def vanished():
    (room,) = rooms
    deadline = room.since + LONGEST
    while len(room.gone) < len(room.vanished) and time.monotonic() < deadline:
        time.sleep(0.2)
    for name, (seconds, why) in sorted(room.gone.items()):
        show(f"{name}: gone after {seconds:.0f} s ({why})")
    require_equal(sorted(room.gone), ["classic", "irc", "pod", "text", "tls"], "who is gone")
    # Whichever comes first.
    reasons = {"connection broken: timed out", "no answer to PING"}
    require({why for _, why in room.gone.values()} <= reasons, room.gone)
    room.end()
