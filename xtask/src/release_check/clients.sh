#!/bin/sh
# As users of the packages in /clients do, from their instructions: programs in C, a pipeline, Python. `clients.sh
# SESSION` also takes frames of a session.
set -eu
cd /clients
dpkg --install ./*.deb
export PKG_CONFIG_PATH=/usr/lib/x86_64-linux-gnu/onair-mtl/pkgconfig
compile() {
    compiler=$1 source=$2
    shift 2
    # shellcheck disable=SC2046
    $compiler -Wall -Wextra -Werror -pthread -o "$(basename "${source%.*}")" "$source" $(pkg-config --cflags --libs "$@")
}
for source in /usr/share/doc/libonair-dev/examples/*; do
    case $source in
    *.cpp) compile g++ "$source" onair ;;
    *) compile gcc "$source" onair libavutil ;;
    esac
done
compile gcc both.c mtl onair
./both
for page in onair onair_buffer_get onair_mtl; do
    man --warnings "$page" >page 2>faults
    cat faults
    grep -q NAME page && test ! -s faults
done
gst-inspect-1.0 onairsrc
gst-inspect-1.0 onairsink
python3 -m venv python
python/bin/pip install --no-index ./*.whl
python/bin/python -c 'import onair; print(onair.__name__)'
test $# = 1 || exit 0
./receive "$1" 3
gst-launch-1.0 onairsrc session="$1" num-buffers=3 ! fakesink
python/bin/python -c 'import onair, sys
with onair.attach(sys.argv[1]) as session:
    print(next(iter(session)))' "$1"
