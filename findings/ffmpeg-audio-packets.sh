#!/usr/bin/env bash
# FFmpeg 8.1.2 (in PyAV 18.1.0) sends L24 packets of two lengths: 21 of 48 samples, then one of 16.
#
# A good guess: with packets of at most 1 ms (`pkt_size=300`), all have 1 ms, as ST 2110-30 and AES67 want. But the RTP
# muxer cuts each of its input's frames by itself, and those have 1,024 samples: 21 × 48 + 16. Frames of 48 samples
# (`-af asetnsamples=48`) make equal packets.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv own
own/bin/pip install --quiet --disable-pip-version-check av==18.1.0
cat >finding.py <<'PYTHON'
import fractions
import socket

import av

BYTES_A_SAMPLE = 2 * 3


def packets(frame_samples: int) -> list[int]:
    """Samples of each RTP packet of some 4,000 samples of silence."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    target = f"rtp://127.0.0.1:{receiver.getsockname()[1]}?pkt_size=300"
    with av.open(target, "w", format="rtp") as out:
        stream = out.add_stream("pcm_s24be", rate=48000)
        stream.layout = "stereo"
        for number in range(4096 // frame_samples):
            frame = av.AudioFrame(format="s32", layout="stereo", samples=frame_samples)
            frame.sample_rate = 48000
            frame.time_base = fractions.Fraction(1, 48000)
            frame.pts = number * frame_samples
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            for packet in stream.encode(frame):
                out.mux(packet)
        lengths = []
        try:
            while True:
                lengths.append((len(receiver.recv(2000)) - 12) // BYTES_A_SAMPLE)
        except BlockingIOError:
            return lengths


version = getattr(av, "ffmpeg_version_info", "")
print(f"PyAV {av.__version__}, FFmpeg {version}")
usual, equal = packets(1024), packets(48)
print(f"frames of 1,024 samples: packets of {usual[:23]} … samples")
print(f"frames of 48 samples: packets of {equal[:5]} … samples")
assert usual == (21 * [48] + [16]) * 4, "the behaviour has changed"
assert set(equal) == {48}, "the behaviour has changed"
PYTHON
own/bin/python finding.py
