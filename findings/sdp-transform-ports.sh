#!/usr/bin/env bash
# sdp-transform 3.0.0 (npm) loses the whole `m=` line if it has a number of ports, and says nothing.
#
# RFC 8866 §5.14 writes `m=video 49170/2 RTP/AVP 31`: two streams, on the ports 49170 and 49172. A good guess: the number is
# left out, or the parser throws. But the line does not fit the parser's expression, so that the medium has no `type`,
# `port`, `protocol` and payload types; its other lines are read. Written again, it is `m=undefined NaN undefined`. Check
# that each medium has a `type`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" sdp-transform@3.0.0 >/dev/null
cat >finding.mjs <<'JAVASCRIPT'
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import sdp from 'sdp-transform';

const description = (port) =>
  [
    'v=0',
    'o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1',
    's=finding',
    'c=IN IP4 233.252.0.1/127/2',
    't=0 0',
    `m=video ${port} RTP/AVP 31`,
    'a=rtpmap:31 H261/90000',
    '',
  ].join('\r\n');

const { version } = JSON.parse(readFileSync('node_modules/sdp-transform/package.json'));
console.log(`sdp-transform ${version}, Node.js ${process.version}`);
const seen = ['49170', '49170/2'].map((port) => {
  const read = sdp.parse(description(port));
  const { type, port: number, protocol, payloads, rtp } = read.media[0];
  const line = sdp.write(read).split('\r\n').find((line) => line.startsWith('m='));
  console.log(`m=video ${port} RTP/AVP 31: type ${type}, port ${number}, codec ${rtp[0].codec}; written: ${line}`);
  return { type, port: number, protocol, payloads, codec: rtp[0].codec, line };
});
const codec = 'H261';
const [one, two] = seen;
const whole = { type: 'video', port: 49170, protocol: 'RTP/AVP', payloads: 31, codec, line: 'm=video 49170 RTP/AVP 31' };
const none = { type: undefined, port: undefined, protocol: undefined, payloads: undefined };
assert.deepEqual(one, whole, 'the behaviour has changed');
assert.deepEqual(two, { ...none, codec, line: 'm=undefined NaN undefined ' }, 'the behaviour has changed');
JAVASCRIPT
node finding.mjs
