"""An export, as an agent would have written it whose clock is a day ahead: all
times of all records are a day later, and the checksums fit (agent/core/record.h,
agent/cli/cli_archive.c)."""
import struct
import sys

MAGIC = b"spoa-idempotency export 1\n"
DAY_MS = 86400 * 1000


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def later(head):
    times = struct.unpack_from(">5Q", head, 8)
    moved = [time + DAY_MS if time else 0 for time in times]
    head = head[:8] + struct.pack(">5Q", *moved) + head[48:-4]
    return head + struct.pack(">I", crc32c(head))


def main(source, sink):
    assert source.read(len(MAGIC)) == MAGIC
    sink.write(MAGIC)
    while source.read(1) == b"\1":
        key = source.read(32)
        head_size, response_size = struct.unpack(">HI", source.read(6))
        head = later(source.read(head_size))
        sink.write(b"\1" + key + struct.pack(">HI", head_size, response_size))
        sink.write(head + source.read(response_size))
    sink.write(b"\0" + source.read(8))


main(sys.stdin.buffer, sys.stdout.buffer)
