"""The workers' application with a visibility timeout that a drill can wait for."""

import os

from workers.app import app

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": int(os.environ["DRILL_VISIBILITY_SECONDS"]),
    # How often kombu looks for what nobody has acknowledged, in seconds and in polls.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
