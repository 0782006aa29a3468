/*
 * For programs written for the Media Transport Library (MTL): recompile them with these headers and libonair_mtl, and
 * their sessions are sessions of OnAir's daemon.
 *
 *     export PKG_CONFIG_PATH=/usr/lib/x86_64-linux-gnu/onair-mtl/pkgconfig
 *     cc program.c $(pkg-config --cflags --libs mtl)
 *
 * Names and values are those of MTL 26.01 (ed7dfaa6), and of the draft session API (14a1f80c, pull request 1610).
 * onair_mtl(7) says of each function whether it is the same. The binary interface is another one.
 *
 * PORTS. A port is a port of the daemon's configuration: "kernel:", "native_af_xdp:" and the like are taken off, and
 * ONAIR_MTL_PORTS renames: ONAIR_MTL_PORTS="0000:af:01.0=a,0000:af:01.1=b". ONAIR_ATTACH is the daemon's socket.
 *
 * THREADS. As in onair.h: only mtl_session_stop, _start, _is_stopped, mtl_abort and st*p_*_wake_block are for signal
 * handlers. Callbacks run in one thread of the library for each session that has some; they may not free it.
 */
#ifndef ONAIR_MTL_H
#define ONAIR_MTL_H

#include <onair_mtl/instance.h>

#include <onair_mtl/formats.h>

#include <onair_mtl/st20p.h>

#include <onair_mtl/st30p.h>

#include <onair_mtl/st40p.h>

#include <onair_mtl/session.h>

#endif
