"""What every member of a group says, whatever its client; compat/src/scenario/group_members.rs tells the contract."""

import sys
import threading
import time

SESSION_TIMEOUT_MS = 6000
HEARTBEAT_INTERVAL_MS = 500
POLL_S = 0.1

bootstrap, group, topic = sys.argv[1:4]
# As kafka-python names them, and aiokafka after it.
SETTINGS = {
    "bootstrap_servers": bootstrap,
    "group_id": group,
    "session_timeout_ms": SESSION_TIMEOUT_MS,
    "heartbeat_interval_ms": HEARTBEAT_INTERVAL_MS,
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
}
closing = threading.Event()
speaking = threading.Lock()


def say(word, *rest):
    # print writes word by word, and some members speak from several threads.
    with speaking:
        print(int(time.time() * 1000), word, *rest, flush=True)


def wait_for_end_of_input():
    sys.stdin.read()
    closing.set()


threading.Thread(target=wait_for_end_of_input, daemon=True).start()
