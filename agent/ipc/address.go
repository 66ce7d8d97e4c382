package ipc

import (
	"fmt"
	"net"
	"strings"
	"syscall"
)

// maxPath is the greatest length of a socket's path: sun_path of sockaddr_un
// is 108 bytes with a NUL at its end (unix(7)).
const maxPath = 107

// address returns the address of the socket at path.
func address(path string) (*net.UnixAddr, error) {
	if strings.HasPrefix(path, "@") {
		path = "./" + path // else Go takes it for a name in the abstract namespace
	}
	if path == "" || len(path) > maxPath {
		return nil, fmt.Errorf("socket path %q of %d bytes: expected 1 to %d: %w", path, len(path), maxPath, syscall.EINVAL)
	}
	return &net.UnixAddr{Name: path, Net: "unix"}, nil
}
