"""usage: fetch_wire.py BOOTSTRAP

Fetch requests written byte by byte, good and odd, with sessions and without, and their answers field by field. A
session's number is printed as `*`, a topic's id as its name.
"""

import socket
import struct
import sys
import time
import uuid

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_S = 30
HOST, PORT = sys.argv[1].rsplit(":", 1)
NOBODYS = uuid.UUID(int=4)
NAMES = {NOBODYS: "nobody's", uuid.UUID(int=5): "nobody's either", uuid.UUID(int=0): "zero"}


class Writer:
    def __init__(self, flexible):
        self.bytes = bytearray()
        self.flexible = flexible

    def put(self, form, *values):
        self.bytes += struct.pack(">" + form, *values)

    def unsigned(self, number):
        while number > 127:
            self.bytes.append(number & 127 | 128)
            number >>= 7
        self.bytes.append(number)

    def count(self, count):
        if self.flexible:
            self.unsigned(count + 1)
        else:
            self.put("i", count)

    def string(self, text):
        if self.flexible:
            self.unsigned(len(text) + 1)
        else:
            self.put("h", len(text))
        self.bytes += text.encode()

    def no_tags(self):
        if self.flexible:
            self.bytes.append(0)


class Reader:
    def __init__(self, data, flexible):
        self.data = data
        self.place = 0
        self.flexible = flexible

    def raw(self, length):
        self.place += length
        assert self.place <= len(self.data)
        return bytes(self.data[self.place - length : self.place])

    def get(self, form):
        return struct.unpack(">" + form, self.raw(struct.calcsize(">" + form)))[0]

    def unsigned(self):
        number = shift = 0
        while True:
            byte = self.get("B")
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def count(self):
        return self.unsigned() - 1 if self.flexible else self.get("i")

    def string(self):
        length = self.unsigned() - 1 if self.flexible else self.get("h")
        return None if length < 0 else self.raw(length).decode()

    def tags(self):
        found = {}
        if self.flexible:
            for _ in range(self.unsigned()):
                tag = self.unsigned()
                found[tag] = self.raw(self.unsigned())
        return found


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)), TIMEOUT_S)
        self.requests = 0

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            assert more, "the broker closed the connection"
            data += more
        return data

    def ask(self, key, version, body, flexible):
        self.requests += 1
        header = struct.pack(">hhih", key, version, self.requests, 4) + b"wire" + (b"\0" if flexible else b"")
        self.socket.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        answer = Reader(self.read(struct.unpack(">i", self.read(4))[0]), flexible)
        assert answer.get("i") == self.requests
        answer.tags()
        return answer


def partition(index, offset=0, size=1 << 20, epoch=-1, last=-1):
    return index, offset, size, epoch, last


class Client:
    def __init__(self, version, topic):
        self.connection = Connection()
        self.version = version
        self.topic = topic
        self.id = topic_id(self.connection, topic)

    def name(self, writer, topic):
        name, number = topic
        if self.version >= 13:
            writer.bytes += number.bytes
        else:
            writer.string(name)

    def fetch(self, words, topics=None, session=(0, -1), forgotten=(), **more):
        """`topics` is a list of partitions of our topic, or of pairs of a topic and its partitions."""
        ours = (self.topic, self.id)
        topics = topics or []
        if topics and not isinstance(topics[0][0], tuple):
            topics = [(ours, topics)]
        if forgotten and not isinstance(forgotten[0], tuple):
            forgotten = [(ours, forgotten)]
        answer = self.connection.ask(1, self.version, self.body(topics, session, forgotten, **more), self.version >= 12)
        print(f"## v{self.version} {words}")
        return self.show(answer)

    def body(self, topics, session, forgotten, replica=-1, wait=0, least=1, most=1 << 20, isolation=0):
        version, flexible = self.version, self.version >= 12
        writer = Writer(flexible)
        if version < 15:
            writer.put("i", replica)
        writer.put("iiib", wait, least, most, isolation)
        if version >= 7:
            writer.put("ii", *session)
        writer.count(len(topics))
        for topic, partitions in topics:
            self.name(writer, topic)
            writer.count(len(partitions))
            for index, offset, size, epoch, last in partitions:
                writer.put("i", index)
                if version >= 9:
                    writer.put("i", epoch)
                writer.put("q", offset)
                if version >= 12:
                    writer.put("i", last)
                if version >= 5:
                    writer.put("q", -1)
                writer.put("i", size)
                writer.no_tags()
            writer.no_tags()
        if version >= 7:
            writer.count(len(forgotten))
            for topic, indexes in forgotten:
                self.name(writer, topic)
                writer.count(len(indexes))
                for index in indexes:
                    writer.put("i", index)
                writer.no_tags()
        if version >= 11:
            writer.string("")
        if version >= 15 and replica != -1:
            state = Writer(True)
            state.put("iq", replica, 1)
            state.no_tags()
            writer.unsigned(1)
            writer.unsigned(1)
            writer.unsigned(len(state.bytes))
            writer.bytes += state.bytes
        else:
            writer.no_tags()
        return bytes(writer.bytes)

    def show(self, answer):
        version, session = self.version, 0
        answer.get("i")
        if version >= 7:
            error, session = answer.get("h"), answer.get("i")
            print(f"error {error} session {'*' if session else 0}")
        for _ in range(answer.count()):
            if version >= 13:
                print(f"  {NAMES[uuid.UUID(bytes=answer.raw(16))]}")
            else:
                print(f"  {answer.string()}")
            for _ in range(answer.count()):
                print("   ", *self.shown_partition(answer))
            answer.tags()
        endpoints = answer.tags().get(0)
        if endpoints:
            nodes = Reader(endpoints, True)
            for _ in range(nodes.count()):
                print(f"  node {nodes.get('i')} {nodes.string() == HOST} {nodes.get('i') == int(PORT)} {nodes.string()}")
                nodes.tags()
        assert answer.place == len(answer.data)
        return session

    def shown_partition(self, answer):
        shown = [answer.get("i"), f"error={answer.get('h')}"]
        shown += [f"high={answer.get('q')}", f"stable={answer.get('q')}"]
        if self.version >= 5:
            shown.append(f"start={answer.get('q')}")
        aborted = answer.count()
        assert aborted <= 0
        shown.append("aborted=null" if aborted < 0 else "aborted=none")
        if self.version >= 11:
            shown.append(f"preferred={answer.get('i')}")
        length = answer.count()
        shown.append("records=null" if length < 0 else f"records={batches(answer.raw(length))}")
        tags = answer.tags()
        if 0 in tags:
            shown.append("diverges=%d,%d" % struct.unpack(">iq", tags[0][:12]))
        if 1 in tags:
            shown.append("leader=%d,%d" % struct.unpack(">ii", tags[1][:8]))
        return shown


def batches(data):
    """First and last offset of each batch."""
    found, place = [], 0
    while place < len(data):
        base, length = struct.unpack(">qi", data[place : place + 12])
        last = struct.unpack(">i", data[place + 23 : place + 27])[0]
        found.append(f"{base}-{base + last}" if place + 12 + length <= len(data) else "cut")
        place += 12 + length
    return "[" + ",".join(found) + "]"


def topic_id(connection, name):
    writer = Writer(True)
    writer.count(1)
    writer.bytes += bytes(16)
    writer.string(name)
    writer.bytes += b"\0\0\0\0"
    answer = connection.ask(3, 12, bytes(writer.bytes), True)
    answer.get("i")
    for _ in range(answer.count()):
        answer.get("i"), answer.string(), answer.get("i"), answer.string(), answer.tags()
    answer.string(), answer.get("i"), answer.count()
    error, _, number = answer.get("h"), answer.string(), uuid.UUID(bytes=answer.raw(16))
    if error:
        return None
    NAMES.setdefault(number, f"{name} {sum(known.split(' ')[0] == name for known in NAMES.values()) + 1}")
    return number


class Bench:
    def __init__(self):
        self.admin = AdminClient({"bootstrap.servers": sys.argv[1]})
        self.connection = Connection()

    def until(self, topic, there):
        deadline = time.monotonic() + TIMEOUT_S
        while (topic_id(self.connection, topic) is not None) != there:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Kafka's broker knows a topic a little before it holds, or no longer holds, the partitions.
        time.sleep(0.5)

    def create(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(timeout=TIMEOUT_S)
        self.until(topic, True)

    def delete(self, topic):
        self.admin.delete_topics([topic])[topic].result(timeout=TIMEOUT_S)
        self.until(topic, False)

    def produce(self, topic, index, count):
        """One batch."""
        producer = Producer({"bootstrap.servers": sys.argv[1], "linger.ms": 100})
        for number in range(count):
            producer.produce(topic, value=f"value {number}", partition=index)
        assert producer.flush(TIMEOUT_S) == 0


def without_sessions(client):
    ask, other = client.fetch, ("absent", NOBODYS)
    ask("whole batches", [partition(0), partition(0, 2), partition(1, 1), partition(2)])
    ask("what does not exist comes last", [
        (("x", NOBODYS), [partition(0)]),
        ((client.topic, client.id), [partition(0), partition(7), partition(-1), partition(1)]),
        (("y", uuid.UUID(int=5)), [partition(0)]),
        ((client.topic, client.id), [partition(2)]),
    ])
    ask("named twice", [partition(0), partition(1), partition(0, 3)])
    ask("out of range", [partition(0, 5), partition(1, -1), partition(2, 1)])
    ask("at the end", [partition(0, 4), partition(1, 2)])
    ask("negative sizes", [partition(0, size=-1), partition(1, size=-(1 << 31)), partition(2, size=-1)])
    ask("a negative size behind another", [partition(1), partition(0, size=-1)])
    ask("a negative size of the whole", [partition(0), partition(1), partition(2)], most=-1)
    ask("a negative size of the whole does not wait", [partition(2)], most=-1, wait=20_000)
    ask("huge sizes", [partition(0, size=(1 << 31) - 1), partition(1)], most=(1 << 31) - 1, least=-5, wait=-7)
    ask("nothing at all", [])
    ask("read committed", [partition(0), partition(2), partition(9)], isolation=1)
    for level in (2, -1):
        ask(f"isolation level {level}", [partition(0), partition(9)], isolation=level)
        ask(f"isolation level {level} of nothing", [(other, [partition(0)])], isolation=level)
    for replica in (1, 2, -2, -3):
        ask(f"replica {replica}", [partition(0), partition(9)], replica=replica)
        ask(f"replica {replica} and its epoch", [partition(0, epoch=0)], replica=replica)
    for epoch in (-1, -2, 0, 1):
        ask(f"leader epoch {epoch}", [partition(0, epoch=epoch), partition(1)])
    if client.version >= 12:
        for last, offset in ((0, 0), (0, 4), (0, 5), (1, 0), (1, 9), (-1, 0), (-2, 0), (0, -1)):
            asked = [partition(0, offset, last=last), partition(2, offset, last=last)]
            ask(f"last epoch {last} before {offset}", asked, isolation=1)


def sessions(client, bench):
    topic = client.topic
    number = client.fetch("full", [partition(0), partition(1), partition(2), partition(9)], (0, 0))
    steps = iter(range(1, 100))

    def step(words, topics=(), **more):
        client.fetch(words, list(topics), (number, next(steps)), **more)

    step("as before")
    step("at the end", [partition(0, 3), partition(1, 2)])
    step("forget what is not there", forgotten=[9])
    step("nothing new")
    for epoch in (4, 9, -2, (1 << 31) - 1):
        client.fetch(f"epoch {epoch}", [], (number, epoch))
    bench.produce(topic, 2, 1)
    step("records in 2")
    client.version, version = (12 if client.version >= 13 else 13), client.version
    client.fetch("topic ids come and go", [], (number, 6))
    client.version = version
    step("out of range", [partition(1, 99)])
    step("still out of range")
    step("in range again", [partition(1, 2), partition(2, 1)])
    step("nothing new again")
    step("one more", [partition(3)])
    step("asked for and forgotten at once", [partition(7)], forgotten=[7, 0])
    step("isolation level 2", isolation=2)
    step("after that")
    step("a replica", replica=5)
    step("a consumer again")
    step("forget everything", forgotten=[1, 2, 3])
    step("there is no session any more")
    number = client.fetch("in turn", [partition(0), partition(1), partition(2)], (0, 0), most=1)
    for epoch in range(1, 5):
        client.fetch(f"turn {epoch}", [], (number, epoch), most=1)
    client.fetch("close", [], (number, -1))
    client.fetch("closed", [], (number, 5))
    client.fetch("go on with nothing", [partition(0)], (0, 1))
    client.fetch("a negative number", [partition(0)], (-5, 1))
    client.fetch("named twice", [partition(0), partition(1), partition(0, 3)], (0, 0))
    deletion(client, bench)


def deletion(client, bench):
    topic = client.topic
    number = client.fetch("an empty session", [], (0, 0))
    client.fetch("is filled", [partition(0, 3), partition(1, 2)], (number, 1))
    other = client.fetch("is begun anew", [partition(0, 3), partition(1, 2)], (number, 0))
    client.fetch("the old one", [], (number, 2))
    bench.delete(topic)
    client.fetch("deleted", [], (other, 1))
    client.fetch("deleted, and named", [partition(0, 3), partition(3)], (other, 2))
    bench.create(topic, 2)
    client.fetch("created again", [], (other, 3))
    bench.produce(topic, 0, 1)
    client.fetch("created again, with records", [], (other, 4))
    old, client.id = client.id, topic_id(client.connection, topic)
    client.fetch("the new one instead", [partition(0), partition(1)], (other, 5), forgotten=[((topic, old), [0, 1, 3])])
    client.fetch("the new one", [], (other, 6))


def main():
    bench = Bench()
    bench.create("plain", 3)
    bench.produce("plain", 0, 3)
    bench.produce("plain", 0, 1)
    bench.produce("plain", 1, 2)
    for version in (4, 6, 7, 11, 12, 13, 18):
        without_sessions(Client(version, "plain"))
    for version in (7, 12, 13, 18):
        topic = f"session-{version}"
        bench.create(topic, 4)
        bench.produce(topic, 0, 3)
        bench.produce(topic, 1, 2)
        sessions(Client(version, topic), bench)


main()
