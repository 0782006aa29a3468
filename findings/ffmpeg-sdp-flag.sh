#!/usr/bin/env bash
# FFmpeg 8.1.2 (in PyAV 18.1.0) loses the fmtp parameter that follows a parameter without a value.
#
# ST 2110-20:2017 §7.3 writes `interlace` and `segmented` without a value, and gives fmtp parameters no order. A good
# guess: the order does not matter. FFmpeg takes all up to the next "=" as one name. Behind `interlace`, `depth` is
# lost, and with it the whole stream: it has no codec. Where the lost parameter is one that FFmpeg does not use,
# nothing shows. Write such words last.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv own
own/bin/pip install --quiet --disable-pip-version-check av==18.1.0
cat >finding.py <<'PYTHON'
import itertools
import socket
import struct
import threading

import av

WIDTH, HEIGHT = 64, 32


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def send(port: int, over: threading.Event) -> None:
    """Interlaced 4:2:2 of 10 bits by RFC 4175, a field 50 times a second, at most ten seconds."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = bytes(WIDTH // 2 * 5)
    sequence = itertools.count()
    for field in range(500):
        for line in range(HEIGHT // 2):
            marker = 0x80 if line == HEIGHT // 2 - 1 else 0
            rtp = struct.pack("!BBHII", 0x80, 96 | marker, next(sequence) & 0xFFFF, field * 1800, 7)
            rows = struct.pack("!HHHH", 0, len(data), line | (field % 2) << 15, 0)
            out.sendto(rtp + rows + data, ("127.0.0.1", port))
        if over.wait(0.02):
            return


def codec(order: str) -> str:
    """What FFmpeg opens the description as."""
    port = free_port()
    with open("stream.sdp", "w") as file:
        file.write(
            "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=finding\nc=IN IP4 127.0.0.1\nt=0 0\n"
            f"m=video {port} RTP/AVP 96\na=rtpmap:96 raw/90000\n"
            f"a=fmtp:96 sampling=YCbCr-4:2:2; width={WIDTH}; height={HEIGHT}; exactframerate=25; {order}\n"
        )
    over = threading.Event()
    sender = threading.Thread(target=send, args=(port, over))
    sender.start()
    try:
        options = {"protocol_whitelist": "file,udp,rtp", "analyzeduration": "1000000"}
        with av.open("stream.sdp", options=options, timeout=5) as container:
            context = container.streams.video[0].codec_context
            return f"{context.name} {context.pix_fmt}" if context else "no codec"
    finally:
        over.set()
        sender.join()


av.logging.set_level(None)
seen = {order: codec(order) for order in ("depth=10; interlace", "interlace; depth=10")}
version = getattr(av, "ffmpeg_version_info", "")
print(f"PyAV {av.__version__}, FFmpeg {version}, libavformat {'.'.join(map(str, av.library_versions['libavformat']))}")
for order, opened in seen.items():
    print(f"a=fmtp:96 … {order!r}: {opened}")
assert list(seen.values()) == ["bitpacked yuv422p10le", "no codec"], "the behaviour has changed"
PYTHON
own/bin/python finding.py
