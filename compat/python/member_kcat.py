"""usage: member_kcat.py BOOTSTRAP GROUP TOPIC, until its input ends: `kcat -G`, and what the broker says is committed.

kcat says what it has and what it was given, and commits by itself, in silence: that is asked of the broker.
"""

import re
import subprocess
import sys
import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

from member import HEARTBEAT_INTERVAL_MS, SESSION_TIMEOUT_MS, bootstrap, closing, group, say, topic

COMMIT_INTERVAL_MS = 100
ASK_TIMEOUT_S = 5

SETTINGS = {
    "session.timeout.ms": SESSION_TIMEOUT_MS,
    "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS,
    "auto.commit.interval.ms": COMMIT_INTERVAL_MS,
    "auto.offset.reset": "earliest",
}
# Whoever ends this program ends kcat too.
COMMAND = ["setpriv", "--pdeathsig", "KILL", "--", "kcat", "-b", bootstrap, "-E", "-u", "-f", "%p %o\\n"]
COMMAND += [word for name, value in SETTINGS.items() for word in ("-X", f"{name}={value}")]
COMMAND += ["-G", group, topic]

kcat = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
# What follows the last record that was given, for each partition whose commit was not seen yet.
following = {}
changing = threading.Lock()


def tell_rebalances():
    for line in kcat.stderr:
        found = re.match(r"% Group .* rebalanced .*: (assigned|revoked):(.*)", line)
        if found:
            say(found[1], *re.findall(r" \[(\d+)\]", found[2]))
        else:
            print(line, end="", file=sys.stderr)


def tell_records():
    for line in kcat.stdout:
        partition, offset = map(int, line.split())
        say("record", partition, offset)
        with changing:
            following[partition] = offset + 1


def tell_commits():
    with changing:
        wanted = dict(following)
    if not wanted:
        return
    try:
        places = consumer.committed([TopicPartition(topic, at) for at in wanted], timeout=ASK_TIMEOUT_S)
    except KafkaException as error:
        # A broker that is away.
        print(error, file=sys.stderr)
        return
    for place in places:
        if place.error is None and place.offset == wanted[place.partition]:
            say("committed", place.partition, place.offset)
            with changing:
                if following[place.partition] == place.offset:
                    del following[place.partition]


consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
telling = [threading.Thread(target=tell, daemon=True) for tell in (tell_rebalances, tell_records)]
for thread in telling:
    thread.start()
while not closing.wait(2 * COMMIT_INTERVAL_MS / 1000) and kcat.poll() is None:
    tell_commits()
kcat.terminate()
for thread in telling:
    thread.join()
code = kcat.wait()
tell_commits()
consumer.close()
say("left")
sys.exit(code)
