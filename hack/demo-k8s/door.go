package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// envDoor has the descriptor of the door's socket, for the isolated process.
const envDoor = "DEMO_DOOR"

// door is a port of the machine that leads into the demo's namespace: a socket
// stays in the namespace in which it was opened.
type door struct {
	listener net.Listener
}

// openDoor opens a port on the loopback address of the machine, or in the
// isolated process takes over the one that was opened before.
func openDoor() (*door, error) {
	if fd, err := strconv.Atoi(os.Getenv(envDoor)); err == nil {
		file := os.NewFile(uintptr(fd), "door")
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("%s=%d: %w", envDoor, fd, err)
		}
		return &door{listener}, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	// A copy of the descriptor that the isolated process inherits.
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		return nil, fmt.Errorf("dup: %w", err)
	}
	_ = file.Close()
	return &door{listener}, os.Setenv(envDoor, strconv.Itoa(fd))
}

// serve passes all connections on to an address of the demo's namespace, and
// returns the address of the door.
func (d *door) serve(to string) string {
	go func() {
		for {
			outside, err := d.listener.Accept()
			if err != nil {
				return
			}
			go pass(outside, to)
		}
	}()
	return d.listener.Addr().String()
}

func pass(outside net.Conn, to string) {
	defer outside.Close()
	inside, err := net.Dial("tcp", to)
	if err != nil {
		return // kubectl says that the connection was closed
	}
	defer inside.Close()
	go func() {
		_, _ = io.Copy(inside, outside)
		_ = inside.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(outside, inside)
}
