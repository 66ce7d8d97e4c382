// Package door leads from the machine into the network namespace of a program
// that runs itself again in one, such as those of netlab.Isolate: a port on the
// machine's loopback address.
package door

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// envDoor has the descriptor of the door's socket, for the isolated process.
const envDoor = "NETLAB_DOOR"

// Door is a port of the machine that leads into a namespace: a socket stays in
// the namespace in which it was opened.
type Door struct {
	listener net.Listener
}

// Open opens a port on the loopback address of the machine, or in the isolated
// process takes over the one that was opened before. Call it in both, so before
// the program isolates itself.
func Open() (*Door, error) {
	if fd, err := strconv.Atoi(os.Getenv(envDoor)); err == nil {
		_ = os.Unsetenv(envDoor)
		file := os.NewFile(uintptr(fd), "door")
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("%s=%d: %w", envDoor, fd, err)
		}
		return &Door{listener}, nil
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
	return &Door{listener}, os.Setenv(envDoor, strconv.Itoa(fd))
}

// Addr is the address of the door, for the machine.
func (d *Door) Addr() string { return d.listener.Addr().String() }

// Serve passes all connections on to an address of the namespace that the
// program is in. It returns at once.
func (d *Door) Serve(to string) {
	go func() {
		for {
			outside, err := d.listener.Accept()
			if err != nil {
				return
			}
			go pass(outside, to)
		}
	}()
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
