"""What every client program does, whatever its language; compat/src/scenario/clients/mod.rs tells the contract.

A client has four functions: produce(topic, codec, idempotent, records), consume(topic, partitions) giving records and
the end offset of each partition, times(topic, partition, timestamps) giving offsets, partitions(topic) giving a count.
`produce` raises Refused with the client's own name for the error.
"""

import sys
import zlib
from typing import NamedTuple, Optional

FIELD_BYTES_MAX = 64
TIMEOUT_S = 30


class Refused(Exception):
    pass


class Record(NamedTuple):
    partition: int
    timestamp: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: list
    offset: int = -1


def parse_field(word):
    if word == "null":
        return None
    digits, _, count = word[1:].partition("*")
    return bytes.fromhex(digits) * int(count or 1)


def show_field(field):
    if field is None:
        return "null"
    if len(field) > FIELD_BYTES_MAX:
        return f"={len(field)}#{zlib.crc32(field):08x}"
    return "=" + field.hex()


def pairs(words):
    return [(parse_field(words[at]).decode(), parse_field(words[at + 1])) for at in range(0, len(words), 2)]


def parse_record(words):
    return Record(int(words[0]), int(words[1]), parse_field(words[2]), parse_field(words[3]), pairs(words[4:]))


def show_record(record):
    words = [record.partition, record.offset, record.timestamp, show_field(record.key), show_field(record.value)]
    for name, value in record.headers:
        words += [show_field(name.encode()), show_field(value)]
    return " ".join(str(word) for word in words)


def answer(client, records, command, words):
    if command == "produce":
        topic, codec, safety = words
        try:
            client.produce(topic, codec, safety == "idempotent", records)
            yield f"acked {len(records)}"
        except Refused as error:
            yield f"error {error}"
    elif command == "consume":
        seen, ends = client.consume(words[0], int(words[1]))
        yield from map(show_record, sorted(seen, key=lambda record: (record.partition, record.offset)))
        yield "ends " + " ".join(str(end) for end in ends)
    elif command == "times":
        offsets = client.times(words[0], int(words[1]), [int(word) for word in words[2:]])
        yield "offsets " + " ".join(str(offset) for offset in offsets)
    elif command == "partitions":
        yield f"partitions {client.partitions(words[0])}"
    else:
        raise ValueError(command)


def run(client):
    records = []
    for line in sys.stdin:
        command, *words = line.split()
        if command == "record":
            records.append(parse_record(words))
        elif command == "forget":
            records = []
        else:
            print(">", line.strip())
            for said in answer(client, records, command, words):
                print(said, flush=True)
