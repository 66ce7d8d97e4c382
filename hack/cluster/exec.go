package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// request is what the command exec sends to the process in the lab, with its
// standard input, output and error as descriptors. When the connection ends, so
// does the program.
type request struct {
	Machine string
	Path    string // of the program
	Args    []string
	Env     []string
	Dir     string
}

// response is what comes back when the program has ended.
type response struct {
	Code  int
	Error string `json:",omitempty"` // why it did not start
}

// maxRequest is the size of the longest request, in bytes.
const maxRequest = 1 << 17

// exec runs a command on a machine of the lab.
func (c *cluster) exec(args []string) error {
	if len(args) < 2 || !slices.Contains(c.Machines, args[0]) {
		return fmt.Errorf("exec %s: expected a machine, which are %s, and a command", strings.Join(args, " "), strings.Join(c.Machines, ", "))
	}
	// All machines see the same files.
	path := c.Programs + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	program, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	ask, err := json.Marshal(request{
		Machine: args[0], Path: program, Args: args[1:], Dir: dir,
		Env: []string{"TERM=" + os.Getenv("TERM"), "PATH=" + path},
	})
	if err != nil {
		return err
	}
	address, folder, err := shortly(c.Socket)
	if err != nil {
		return err
	}
	conn, err := net.DialUnix("unixpacket", nil, address)
	_ = folder.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", c.Socket, err)
	}
	defer conn.Close()
	if _, _, err := conn.WriteMsgUnix(ask, unix.UnixRights(0, 1, 2), nil); err != nil {
		return err
	}
	buf := make([]byte, maxRequest)
	n, err := conn.Read(buf)
	if err != nil {
		return fmt.Errorf("the cluster has ended: %w", err)
	}
	var answer response
	if err := json.Unmarshal(buf[:n], &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	os.Exit(answer.Code)
	return nil
}

// shortly returns the address of a socket through its folder, which is open: the
// kernel takes no path of a socket that is longer than 107 bytes.
func shortly(socket string) (*net.UnixAddr, *os.File, error) {
	folder, err := os.Open(filepath.Dir(socket))
	if err != nil {
		return nil, nil, err
	}
	path := fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(socket))
	return &net.UnixAddr{Name: path, Net: "unixpacket"}, folder, nil
}

// server runs commands, in the lab.
type server struct {
	nodes    map[string]*clusterlab.Node
	machines map[string]*netlab.NS
}

// serve tells where the cluster is, and takes commands from then on. The door is
// the address at which the machine gets to the API server.
func serve(c *clusterlab.Cluster, door string) error {
	s := &server{nodes: map[string]*clusterlab.Node{}, machines: map[string]*netlab.NS{}}
	state := &cluster{
		KubeConfig: filepath.Join(clusterlab.Dir(), "kubeconfig"), Logs: c.Logs,
		Socket: filepath.Join(clusterlab.Dir(), "exec"), Programs: filepath.Join(clusterlab.Dir(), programs),
	}
	state.Kubectl, state.Helm = clusterlab.Clients()
	for _, n := range c.Nodes {
		s.nodes[n.Name] = n
		state.Machines = append(state.Machines, n.Name)
	}
	for _, name := range []string{"studio", "control"} {
		s.machines[name] = c.Outside(name)
		state.Machines = append(state.Machines, name)
	}
	if err := c.WriteKubeConfig(state.KubeConfig, "https://"+door); err != nil {
		return err
	}
	address, folder, err := shortly(state.Socket)
	if err != nil {
		return err
	}
	listener, err := net.ListenUnix("unixpacket", address)
	_ = folder.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", state.Socket, err)
	}
	go func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			go s.answer(conn)
		}
	}()
	return state.write(clusterlab.Dir())
}

func (s *server) answer(conn *net.UnixConn) {
	defer conn.Close()
	code, err := s.handle(conn)
	answer := response{Code: code}
	if err != nil {
		answer.Error = err.Error()
	}
	if text, err := json.Marshal(answer); err == nil {
		_, _ = conn.Write(text) // the client may be gone
	}
}

func (s *server) handle(conn *net.UnixConn) (int, error) {
	buf, rights := make([]byte, maxRequest), make([]byte, unix.CmsgSpace(3*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, rights)
	if err != nil {
		return 0, err
	}
	files, err := descriptors(rights[:oobn])
	for _, f := range files {
		defer f.Close()
	}
	if err != nil {
		return 0, err
	}
	var r request
	if err := json.Unmarshal(buf[:n], &r); err != nil {
		return 0, err
	}
	if len(r.Args) == 0 || len(files) != 3 {
		return 0, fmt.Errorf("%d arguments, %d descriptors: expected a command and three", len(r.Args), len(files))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // nothing comes but the end
		_, _ = conn.Read(make([]byte, 1))
		cancel()
	}()
	return s.run(ctx, r, files)
}

func (s *server) run(ctx context.Context, r request, files []*os.File) (int, error) {
	cmd, run := exec.CommandContext(ctx, r.Path), (*exec.Cmd).Run
	if n := s.nodes[r.Machine]; n != nil {
		run = n.Run
	} else if ns := s.machines[r.Machine]; ns != nil {
		inside := ns.Command(r.Path)
		cmd.Path, cmd.Env, cmd.Err = inside.Path, inside.Env, inside.Err
	} else {
		return 0, fmt.Errorf("there is no machine %s", r.Machine)
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Args, cmd.Env, cmd.Dir = r.Args, append(cmd.Env, r.Env...), r.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	err := run(cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if exit.ExitCode() < 0 {
			return 128 + int(exit.Sys().(interface{ Signal() unix.Signal }).Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}

// descriptors takes files out of a control message.
func descriptors(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", fd)))
		}
	}
	return files, nil
}
