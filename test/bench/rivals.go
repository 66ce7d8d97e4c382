package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Configurations by which other routers forward firstGroup to its member, from any
// source.
const (
	// igmpproxy has one upstream, and forwards what members downstream ask for.
	igmpproxyConf = "quickleave\nphyint in upstream altnet 10.0.0.0/8\nphyint out downstream\n"

	// pimd is the rendezvous point itself, and never goes over to a source's tree.
	pimdConf = "phyint in enable\nphyint out enable\nrp-address 10.77.0.1 224.0.0.0/4\nspt-threshold infinity\n"
)

type (
	starter func(*forwarder) *side
	misser  func(name, why string) *side
)

// igmpproxy starts it, if it is there.
func (b *bench) igmpproxy(tb netlab.TB, start starter, missing misser) *side {
	const name = "igmpproxy"
	path, err := b.rival(name)
	if err != nil {
		return missing(name, err.Error())
	}
	return start(b.foreign(tb, name, igmpproxyConf, path, "-n", "igmpproxy.conf"))
}

// pimd starts it, if it is there and there is time.
func (b *bench) pimd(tb netlab.TB, start starter, missing misser) *side {
	const name = "pimd"
	path, err := b.rival(name)
	switch {
	case err != nil:
		return missing(name, err.Error())
	case !b.sizes.pimd:
		return missing(name, "takes half a minute to start: left out")
	}
	return start(b.foreign(tb, name, pimdConf, path, "-f", "-c", "pimd.conf"))
}

// rival finds a program. It is no part of the project, nor need it be installed.
func (b *bench) rival(name string) (path string, err error) {
	for _, dir := range append([]string{b.rivals}, "/usr/sbin", "/usr/local/sbin") {
		if path := filepath.Join(dir, name); dir != "" && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("not there: Debian's package %s is missing", name)
}

// foreign starts another router, with a member of firstGroup behind it.
func (b *bench) foreign(tb netlab.TB, name, conf, path string, args ...string) *forwarder {
	tb.Helper()
	r := b.addressed(tb, "")
	r.join(tb)
	if err := os.WriteFile(filepath.Join(r.dir, name+".conf"), []byte(conf), 0o666); err != nil {
		tb.Fatalf("%v", err)
	}
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		tb.Fatalf("%v", err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, log, log
	if err := ownRun(); err != nil {
		tb.Fatalf("a /run of its own: %v", err)
	}
	if err := r.Do(cmd.Start); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	return r.forwarder(tb, name)
}

// ownRun gives this program, which has mounts of its own, an empty /run: such routers
// write their process's number there.
var ownRun = sync.OnceValue(func() error { return unix.Mount("tmpfs", "/run", "tmpfs", 0, "") })

// join makes hosts:b a member of firstGroup until the end of the measurement.
func (r *router) join(tb netlab.TB) {
	tb.Helper()
	fd := -1
	index := r.hosts.Index("b")
	err := r.hosts.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: firstGroup, Ifindex: int32(index)})
	})
	if err != nil {
		tb.Fatalf("joining a group: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
}
