"""Print alarms as they ring. Ended and started again, it goes on where it was: nothing is missed, nothing comes twice.

python streams/examples/follow_alerts.py [SERVERS] [PREFIX] [FILE FOR THE POSITION]
"""

import sys
from pathlib import Path

from streams.client import Alerts
from streams.service_settings import KafkaSettings
from streams.terminal import visible

servers, prefix, file = (*sys.argv[1:], *("127.0.0.1:9092", "tocsin", "position.txt")[len(sys.argv) - 1 :])
position = Path(file)
begin = position.read_text() if position.exists() else None

with Alerts(KafkaSettings(servers=tuple(servers.split(",")), prefix=prefix), position=begin) as alerts:
    position.write_text(alerts.position)
    for alert in alerts:
        line = f"{alert.at:%d %b %H:%M} {alert.tier} {alert.event} {alert.series}: {alert.reason}"
        print(visible(line), flush=True)  # texts of strangers steer no terminal
        position.write_text(alerts.position)  # after the work: an alarm that was not handled comes again
