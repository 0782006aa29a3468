"""Gets frames of a session: receive.py SESSION FRAMES."""

import sys

import onair


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    with onair.attach(name) as session:
        for left, frame in zip(range(count, 0, -1), session):
            lost = "" if frame.is_complete else f", {frame.bytes_missing} missing"
            first = memoryview(frame)[0]
            print(f"frame {frame.number}: {len(frame)} bytes{lost}, the first one {first:02x}; {left - 1} to go")


main()
