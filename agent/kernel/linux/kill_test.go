package linux

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/keep/wire"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Programs and keepers as processes of their own, to be killed:
//
//	host A ==== a router b ==== B host
//
// The program routes the flows from a to b and joins a group; streams of numbered
// packets tell whether one is lost.

// keeperMain holds what one program after the other gives it.
func keeperMain(socket string) {
	_ = os.Remove(socket)
	l, err := net.ListenUnix(wire.Network, &net.UnixAddr{Name: socket, Net: wire.Network})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("listening")
	var held shelf.Shelf
	for {
		raw, err := l.AcceptUnix()
		if err != nil {
			fmt.Println(err)
			return
		}
		c := wire.NewConn(raw)
		if _, err := c.Welcome(); err != nil {
			fmt.Println(err)
			return
		}
		go func() { _ = held.Give(c, nil).Run() }()
	}
}

// programMain opens table 0 of a namespace, and says what it found. A line on
// standard input has it make what is missing, and settle; further ones, wait until
// all is held.
func programMain(args []string) {
	socket, path, static := args[0], args[1], args[2] == "true"
	ctx, cancel := context.WithTimeout(context.Background(), awaitTime)
	defer cancel()
	store := keep.Open(ctx, socket, nil)
	k, err := Open(Options{NetNS: path, Keep: &keep.Keeping{Store: store, Static: static, Records: keep.NewRecords(socket + ".records")}})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	for _, f := range mroute.Families {
		h := k.Held(f)
		fmt.Printf("%d VIFs, %d entries, own %v\n", len(h.VIFs), len(h.Entries), h.Own)
	}
	links := map[string]int{}
	all, err := k.Links()
	for _, l := range all {
		links[l.Name] = l.Index
	}
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	for _, f := range mroute.Families {
		var ops []mroute.Op
		if h := k.Held(f); h.Empty() {
			for v, name := range []string{"a", "b"} {
				ops = append(ops, mroute.Op{Kind: mroute.AddVIF, Family: f, VIF: mroute.VIF(v), Link: mroute.LinkRef{Index: links[name], Name: name}})
			}
			for _, sg := range killFlows {
				if sg.Family() != f {
					continue
				}
				e := mroute.Entry{OIFs: mroute.OIFs{1: 1}}
				if sg == anySource {
					sg.Source, e.OIFs[0] = netip.Addr{}, 1
				}
				ops = append(ops, mroute.Op{Kind: mroute.SetMFC, Family: f, SG: sg, Entry: e})
			}
		}
		ops = append(ops, mroute.Op{Kind: mroute.JoinGroup, Family: f, SG: mroute.SG{Group: flow(f, 9).Group}, Link: mroute.LinkRef{Index: links["a"], Name: "a"}})
		for _, e := range k.Apply(ops) {
			if e != nil {
				err = e
			}
		}
		if e := k.Settle(f, nil); e != nil {
			err = e
		}
	}
	for {
		fmt.Println("settled", store.Lasts(), err)
		in.Scan() // until it is killed
		netlab.Poll(awaitTime, store.Lasts)
	}
}

// anySource is routed by a (*,G).
var anySource = flow(mroute.IPv4, 2)

var killFlows = []mroute.SG{flow(mroute.IPv4, 1), anySource, flow(mroute.IPv6, 1)}

// process is a child of the test.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t testing.TB, kind string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), childEnv+"="+kind)
	p.cmd.Stderr = t.Output()
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	t.Cleanup(p.kill)
	return p
}

// kill ends it with SIGKILL, and waits until the kernel has closed what it had.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) wants(line string) {
	p.t.Helper()
	if !p.out.Scan() || p.out.Text() != line {
		p.t.Fatalf("a child says %q, want %q", p.out.Text(), line)
	}
}

// scene is a router with streams through it.
type scene struct {
	t        testing.TB
	ns, host *netlab.NS
	capture  *netlab.Capture
	streams  []*netlab.Stream
	socket   string
	static   bool
	keeper   *process
	program  *process
}

func newScene(t testing.TB, static bool) *scene {
	s := &scene{t: t, ns: netlab.New(t), host: netlab.New(t), socket: filepath.Join(t.TempDir(), "k"), static: static}
	s.ns.Veth("a", s.host, "A")
	s.ns.Veth("b", s.host, "B")
	s.capture = s.host.Capture("B")
	return s
}

func (s *scene) startKeeper() {
	s.t.Helper()
	s.keeper = start(s.t, "keeper "+s.socket)
	s.keeper.wants("listening")
}

func (s *scene) startProgram(finds [2]string) {
	s.t.Helper()
	s.program = start(s.t, fmt.Sprintf("program %s %s %v", s.socket, s.ns.ProcPath(), s.static))
	for _, line := range finds {
		s.program.wants(line)
	}
}

func (s *scene) settle() {
	s.t.Helper()
	if _, err := s.program.in.Write([]byte("\n")); err != nil {
		s.t.Fatal(err)
	}
	s.program.wants("settled true <nil>")
}

var (
	nothingHeld = [2]string{"0 VIFs, 0 entries, own false", "0 VIFs, 0 entries, own false"}
	allHeld     = [2]string{"2 VIFs, 2 entries, own true", "2 VIFs, 1 entries, own true"}
)

// stream begins 2,000 packets a second of each flow.
func (s *scene) stream() {
	s.t.Helper()
	for _, sg := range killFlows {
		s.streams = append(s.streams, s.host.Stream(context.Background(), "A", netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: 9}, 2000))
	}
	s.flow()
}

// flow waits until 200 more packets of each flow have come.
func (s *scene) flow() {
	s.t.Helper()
	for _, sg := range killFlows {
		s.capture.Await(sg, s.capture.Count(sg)+200, awaitTime)
	}
}

// gaps ends the streams and lists the runs of packets that were lost.
func (s *scene) gaps() (gaps [][]netlab.Gap) {
	s.t.Helper()
	for i, sg := range killFlows {
		sent, err := s.streams[i].Stop()
		if err != nil {
			s.t.Fatal(err)
		}
		netlab.Flush(s.t, 2, awaitTime)
		if !s.capture.Has(sg, sent-1) {
			s.t.Errorf("the last packet of %v, %d, did not come", sg, sent-1)
		}
		f := s.capture.Flow(netlab.In, sg)
		gaps = append(gaps, f.Gaps(sent))
		s.t.Logf("%v: %d packets sent, lost: %v", sg, sent, f.Gaps(sent))
	}
	return gaps
}

func (s *scene) noGaps() {
	s.t.Helper()
	for i, gaps := range s.gaps() {
		if len(gaps) > 0 {
			s.t.Errorf("of %v packets were lost: %v", killFlows[i], gaps)
		}
	}
}

func eachStatic(t *testing.T, test func(t *testing.T, static bool)) {
	for _, static := range []bool{false, true} {
		t.Run(fmt.Sprintf("static=%v", static), func(t *testing.T) { test(t, static) })
	}
}

// Kernel note 3: while somebody holds the owner's socket the program may be
// killed at any time.
func TestKilledProgramLosesNothing(t *testing.T) {
	eachStatic(t, func(t *testing.T, static bool) {
		s := newScene(t, static)
		s.startKeeper()
		s.startProgram(nothingHeld)
		s.settle()
		s.stream()
		member := mroute.SG{Group: flow(mroute.IPv4, 9).Group}
		for range 2 {
			s.program.kill()
			s.flow()
			s.startProgram(allHeld)
			s.flow()
			s.settle()
			s.flow()
		}
		s.startProgramTwice()
		if got := s.ns.Memberships("a"); len(got) != 2 || got[0] != member {
			t.Errorf("joined are %v, want one group of each family", got)
		}
		s.noGaps()
	})
}

// startProgramTwice kills one that has not settled.
func (s *scene) startProgramTwice() {
	s.t.Helper()
	for range 2 {
		s.program.kill()
		s.flow()
		s.startProgram(allHeld)
	}
	s.flow()
	s.settle()
}

// A keeper may be killed as long as the program lives, which gives all to the
// next one.
func TestKilledKeeperLosesNothing(t *testing.T) {
	eachStatic(t, func(t *testing.T, static bool) {
		s := newScene(t, static)
		s.startKeeper()
		s.startProgram(nothingHeld)
		s.settle()
		s.stream()
		s.keeper.kill()
		s.flow()
		s.startKeeper()
		s.settle() // says when the new keeper holds all
		s.program.kill()
		s.flow()
		s.startProgram(allHeld)
		s.settle()
		s.flow()
		s.noGaps()
	})
}

// Kernel note 2: when both are killed the static entries wait, with their
// counters, and forward as soon as the table is claimed again.
func TestStaticEntriesResume(t *testing.T) {
	s := newScene(t, true)
	s.startKeeper()
	s.startProgram(nothingHeld)
	s.settle()
	s.stream()
	s.program.kill()
	s.keeper.kill()
	at := make([]uint64, len(killFlows))
	for i, stream := range s.streams {
		at[i] = stream.Sent()
	}
	for i, stream := range s.streams {
		netlab.Await(t, time.Minute, func() bool { return stream.Sent() > at[i]+200 }, "packets that nobody routes")
	}
	s.startKeeper()
	s.startProgram(allHeld)
	s.flow() // nothing was set by now
	s.settle()
	s.flow()
	for i, gaps := range s.gaps() {
		if len(gaps) != 1 || gaps[0].Last < at[i]+100 {
			t.Errorf("of %v packets were lost: %v, want one gap that ends after %d", killFlows[i], gaps, at[i]+100)
		}
	}
	s.program.kill()
	s.keeper.kill()
	k, err := Open(Options{NetNS: s.ns.Path()})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, sg := range killFlows {
		came := s.capture.Count(sg)
		if sg == anySource {
			sg.Source = netip.Addr{}
		}
		var out [1]mroute.Counters
		if err := k.Counters(sg.Family(), []mroute.SG{sg}, out[:]); err != nil || out[0].Packets != uint64(came) {
			t.Errorf("the counters of %v are %+v, %v, want %d packets", sg, out[0], err, came)
		}
	}
}
