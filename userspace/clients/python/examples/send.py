"""Creates a session, sends a moving bar into it with numpy, and destroys it: send.py SPEC-JSON FRAMES."""

import sys

import numpy
import onair


def main() -> None:
    with onair.create(sys.argv[1]) as session:
        for number in range(int(sys.argv[2])):
            frame = session.get()
            (plane,) = map(numpy.asarray, frame.video.planes)
            plane[:] = 0x80
            plane[:, number % plane.shape[1]] = 0xFF
            # A frame with views is not submitted.
            del plane
            frame.submit()
        session.flush(wait=5)
        session.stop()
        certificate = session.destroy(wait=1)
        print("destroyed at", certificate["issued_at"])


main()
