package program

import (
	"net"
	"os"
	"time"
)

// manager plays the service manager: it hears what a daemon tells by
// sd_notify(3).
type manager struct {
	conn     *net.UnixConn
	messages chan message
}

type message struct {
	text string
	at   time.Time
}

func listen(path string) (*manager, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	m := &manager{conn, make(chan message, 1024)} // more than anybody tells
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // closed
			}
			m.messages <- message{string(buf[:n]), time.Now()}
		}
	}()
	return m, nil
}

func (m *manager) close() { _ = m.conn.Close() }
