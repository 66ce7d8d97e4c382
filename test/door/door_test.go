package door

import (
	"io"
	"net"
	"os"
	"testing"
)

// TestDoor opens a door, takes it over as the isolated process does, and talks
// through it, with an end of either side.
func TestDoor(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	go func() {
		conn, err := inside.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		asked, _ := io.ReadAll(conn) // until the client has no more to say
		_, _ = conn.Write(append([]byte("you said "), asked...))
	}()
	outer, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(envDoor) == "" {
		t.Fatal("the isolated process would not find the door")
	}
	door, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if door.Addr() != outer.Addr() || os.Getenv(envDoor) != "" {
		t.Fatalf("the door that was taken over is %v, expected %v", door.Addr(), outer.Addr())
	}
	door.Serve(inside.Addr().String())
	conn, err := net.Dial("tcp", door.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "you said hello" {
		t.Fatalf("%q, %v", got, err)
	}
}
