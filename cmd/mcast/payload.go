package main

import (
	"bytes"
	"encoding/binary"
)

// magic begins the payload of a numbered packet; the number follows in eight
// bytes, big-endian, and then whatever makes it as long as it has to be. The
// captures and streams of the project's tests have the same format.
var magic = [8]byte{'n', 'e', 't', 'l', 'a', 'b', 0, 1}

// headerSize is the length of magic and number.
const headerSize = len(magic) + 8

// payload makes one of the given size, at least headerSize, numbered 0.
func payload(size int) []byte {
	p := make([]byte, size)
	copy(p, magic[:])
	return p
}

// setNumber numbers a payload.
func setNumber(p []byte, n uint64) { binary.BigEndian.PutUint64(p[len(magic):], n) }

// number returns the number of a packet, false if it has none: packets may
// come from anybody.
func number(p []byte) (uint64, bool) {
	if len(p) < headerSize || !bytes.HasPrefix(p, magic[:]) {
		return 0, false
	}
	return binary.BigEndian.Uint64(p[len(magic):]), true
}
