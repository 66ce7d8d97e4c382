package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const (
	envSender  = "LAB_SENDER" // path of the sender's namespace
	recvSocket = runDir + "/lab-recv.sock"
)

const introduction = `
This is a shell on the router. Its commands, beside what is installed here:

  smcroutectl show                    what the router does; also add, remove, join
  send [-n COUNT] [-t TTL] S G        send packets from source S to group G
  recv                                what has arrived since the last recv
  vi ` + confFile + ` && smcroutectl reload

Try: send 192.0.2.10 225.1.2.3; recv; smcroutectl -d show
"exit" ends the lab.
`

// shell gives a shell in the router's namespace.
func (n *network) shell() {
	fmt.Print(drawing, "\n")
	fmt.Print(conf)
	fmt.Print(introduction)

	dir := filepath.Join(runDir, "lab")
	self, err := os.Executable()
	err = errors.Join(err, os.Mkdir(dir, 0o755))
	for _, name := range []string{"send", "recv"} {
		err = errors.Join(err, os.Symlink(self, filepath.Join(dir, name)))
	}
	if err != nil {
		n.tb.Fatalf("%v", err)
	}
	n.serveRecv()

	program := os.Getenv("SHELL")
	if program == "" {
		program = "/bin/sh"
	}
	cmd := n.router.Command(program)
	if filepath.Base(program) == "bash" {
		// Its own file would put the machine's prompt and PATH in the place of ours.
		cmd.Args = append(cmd.Args, "--norc")
	}
	path := strings.Join([]string{dir, n.bin, os.Getenv("PATH"), "/usr/sbin", "/sbin"}, ":")
	cmd.Env = append(cmd.Env, "PATH="+path, envSender+"="+n.sender.ProcPath(), "PS1=router# ")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The exit code of a shell is that of its last command: not an error here.
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		n.tb.Fatalf("shell: %v", err)
	}
}

// serveRecv answers the command recv: each connection gets a table.
func (n *network) serveRecv() {
	listener, err := net.Listen("unix", recvSocket)
	if err != nil {
		n.tb.Fatalf("%v", err)
	}
	n.tb.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			// The first packet of a new flow takes a moment.
			netlab.Poll(300*time.Millisecond, func() bool {
				return len(n.atLeft.Flows(netlab.In))+len(n.atRight.Flows(netlab.In)) > 0
			})
			_, _ = io.WriteString(conn, n.arrivals())
			_ = conn.Close()
		}
	}()
}

// arrivals lists what came to the receivers since it was called last.
func (n *network) arrivals() string {
	var b strings.Builder
	for _, at := range []struct {
		name    string
		capture *netlab.Capture
	}{{"left", n.atLeft}, {"right", n.atRight}} {
		flows := at.capture.Flows(netlab.In)
		at.capture.Reset()
		for _, sg := range slices.SortedFunc(maps.Keys(flows), mroute.SG.Compare) {
			f := flows[sg]
			fmt.Fprintf(&b, "%-5s  %-30s %6d packets, TTL %v\n", at.name, sg, f.Packets, slices.Sorted(maps.Keys(f.TTLs)))
		}
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func recvCommand(args []string) error {
	if len(args) > 0 {
		return errors.New("usage: recv")
	}
	conn, err := net.Dial("unix", recvSocket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.Copy(os.Stdout, conn)
	return err
}

func sendCommand(args []string) error {
	flags := flag.NewFlagSet("send", flag.ExitOnError)
	n := flags.Int("n", 1, "number of packets")
	ttl := flags.Int("t", 64, "TTL or hop limit")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: send [-n COUNT] [-t TTL] SOURCE GROUP")
		flags.PrintDefaults()
	}
	_ = flags.Parse(args) // ends the program on errors
	if flags.NArg() != 2 || *n < 1 || *ttl < 1 || *ttl > 255 {
		flags.Usage()
		return errors.New("expected a source, a group, a TTL of 1 to 255 and a count of 1 or more")
	}
	sg, err := parseFlow(flags.Arg(0), flags.Arg(1))
	if err != nil {
		return err
	}
	return netlab.Run(func(tb netlab.TB) {
		p := netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: uint8(*ttl)}
		netlab.At(tb, os.Getenv(envSender)).SendBurst("eth0", p, 0, *n)
	})
}
