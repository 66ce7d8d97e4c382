package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// command is one of the commands that doc.go describes.
type command struct {
	usage string
	min   int // arguments
	run   func(l *lab, args []string) (result, error)
}

// result is what a command prints.
type result struct{ stdout, stderr string }

// usageError is a mistake in the script, for which "!" is no excuse.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

var commands map[string]command

// builtin are the commands of testscript itself, which hide others of their name.
var builtin = []string{
	"cd", "chmod", "cmp", "cmpenv", "cp", "env", "exec", "exists", "grep", "kill", "mkdir", "mv", "rm", "skip",
	"stderr", "stdin", "stdout", "stop", "symlink", "ttyin", "ttyout", "unix2dos", "unquote", "wait",
}

func init() { // not a literal, because await refers to it
	commands = map[string]command{
		"netns":       {"NS...", 1, runNetns},
		"veth":        {"NS:IF NS:IF [N]", 2, runVeth},
		"bridge":      {"NS:IF [NS:IF...]", 1, runBridge},
		"addr":        {"NS:IF ADDR/LEN", 2, runAddr},
		"link":        {"up|down|delete NS:IF | rename NS:IF NAME | multicast on|off NS:IF", 2, runLink},
		"sysctl":      {"NS PATH VALUE", 3, runSysctl},
		"in":          {"NS PROGRAM [ARG...]", 2, runIn},
		"exits":       {"CODE NS PROGRAM [ARG...]", 3, runExits},
		"smcrouted":   {"NS [ARG...]", 1, runSmcrouted},
		"smcroutectl": {"NS [ARG...]", 1, runSmcroutectl},
		"reload":      {"NS", 1, runReload},
		"signal":      {"NS NAME", 2, runSignal},
		"end":         {"NS", 1, runEnd},
		"crash":       {"NS [NAME]", 1, runCrash},
		"oom":         {"NS", 1, runOOM},
		"log":         {"NS", 1, runLog},
		"capture":     {"NS:IF...", 1, runCapture},
		"send":        {"NS:IF S G [ttl=N] [count=N]", 3, runSend},
		"recv":        {"NS:IF S G N [ttl=T]", 4, runRecv},
		"stream":      {"NS:IF S G [NS:IF...] [pps=N]", 3, runStream},
		"silence":     {"S G", 2, runSilence},
		"lossless":    {"NS:IF [S G]", 1, runLossless},
		"lossy":       {"NS:IF [S G]", 1, runLossy},
		"leaves":      {"NS:IF", 1, runLeaves},
		"counters":    {"NS", 1, runCounters},
		"metrics":     {"NS", 1, runMetrics},
		"keeper":      {"NS stop|answers|SIGNAL", 2, runKeeper},
		"foreign":     {"NS:IF S G NS:IF", 4, runForeign},
		"left":        {"NS IF...", 1, runLeft},
		"nothing":     {"NS IF...", 1, runNothing},
		"recreate":    {"NS:IF NS:IF N", 3, runRecreate},
		"burst":       {"NS:IF G N", 3, runBurst},
		"hold":        {"NS ipv4|ipv6", 2, runHold},
		"mrule":       {"NS IF TABLE", 3, runMrule},
		"members":     {"NS:IF", 1, runMembers},
		"await":       {"[-not] REGEXP COMMAND...", 2, runAwait},
	}
}

// scriptCommands makes the commands callable by testscript.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	m := map[string]func(*testscript.TestScript, bool, []string){}
	for name := range commands {
		if slices.Contains(builtin, name) {
			panic(name + " is a command of testscript itself")
		}
		m[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			l := ts.Value(labKey{}).(*lab)
			l.ts = ts
			r, err := l.run(name, args)
			_, _ = ts.Stdout().Write([]byte(r.stdout))
			_, _ = ts.Stderr().Write([]byte(r.stderr))
			var usage usageError
			switch {
			case errors.As(err, &usage):
				ts.Fatalf("%s: %v", name, err)
			case err != nil && !neg:
				ts.Fatalf("%s: %v\n%s%s", name, err, r.stdout, r.stderr)
			case err == nil && neg:
				ts.Fatalf("%s succeeded, but must not\n%s%s", name, r.stdout, r.stderr)
			}
		}
	}
	return m
}

func (l *lab) run(name string, args []string) (result, error) {
	c, ok := commands[name]
	if !ok {
		return result{}, usagef("unknown command %q", name)
	}
	if len(args) < c.min {
		return result{}, usagef("usage: %s %s", name, c.usage)
	}
	return c.run(l, args)
}

func runNetns(l *lab, args []string) (result, error) {
	for _, name := range args {
		if l.ns[name] != nil {
			return result{}, usagef("there is a namespace %s already", name)
		}
		l.ns[name] = netlab.New(tb{l})
	}
	return result{}, nil
}

func runVeth(l *lab, args []string) (result, error) {
	a, name, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	b, peer, err := l.iface(args[1])
	if err != nil {
		return result{}, err
	}
	if len(args) == 2 {
		a.Veth(name, b, peer)
		return result{}, nil
	}
	n, err := strconv.ParseUint(args[2], 10, 16)
	if err != nil || n == 0 {
		return result{}, usagef("%q: expected a number of pairs", args[2])
	}
	for i := range n {
		a.Veth(fmt.Sprint(name, i), b, fmt.Sprint(peer, i))
	}
	return result{}, nil
}

func runBridge(l *lab, args []string) (result, error) {
	ns, name, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	var ports []string
	for _, arg := range args[1:] {
		portNS, port, err := l.iface(arg)
		if err != nil {
			return result{}, err
		}
		if portNS != ns {
			return result{}, usagef("%s is not in the namespace of %s", arg, args[0])
		}
		ports = append(ports, port)
	}
	ns.Bridge(name, ports...)
	return result{}, nil
}

func runAddr(l *lab, args []string) (result, error) {
	ns, link, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	prefix, err := netip.ParsePrefix(args[1])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	ns.AddAddr(link, prefix)
	return result{}, nil
}

func runLink(l *lab, args []string) (result, error) {
	verb, args := args[0], args[1:]
	value := ""
	switch verb {
	case "up", "down", "delete":
	case "rename":
		value = args[len(args)-1]
	case "multicast":
		value, args = args[0], args[1:]
		if value != "on" && value != "off" {
			verb = ""
		}
	default:
		verb = ""
	}
	if verb == "" || len(args) < 1 {
		return result{}, usagef("usage: link %s", commands["link"].usage)
	}
	ns, link, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	switch verb {
	case "up", "down":
		ns.SetUp(link, verb == "up")
	case "delete":
		ns.Delete(link)
	case "rename":
		ns.Rename(link, value)
	case "multicast":
		ns.SetMulticast(link, value == "on")
	}
	return result{}, nil
}

func runSysctl(l *lab, args []string) (result, error) {
	ns, err := l.namespace(args[0])
	if err != nil {
		return result{}, err
	}
	ns.Sysctl(args[1], args[2])
	return result{}, nil
}

func runIn(l *lab, args []string) (result, error) {
	ns, err := l.namespace(args[0])
	if err != nil {
		return result{}, err
	}
	return l.exec(ns.Command(args[1], args[2:]...))
}

// exec runs a command to its end. An exit code other than 0 is an
// *exec.ExitError.
func (l *lab) exec(cmd *exec.Cmd) (result, error) {
	var stdout, stderr bytes.Buffer
	cmd.Dir = l.ts.MkAbs(".")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return result{}, usagef("%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !stop() {
		err = usagef("still running after %v: killed", deadline)
	}
	return result{stdout.String(), stderr.String()}, err
}

func runExits(l *lab, args []string) (result, error) {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return result{}, usagef("exit code %q: expected a number", args[0])
	}
	r, err := runIn(l, args[1:])
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return r, err
	}
	if code != want {
		return r, fmt.Errorf("got exit code %d, want %d", code, want)
	}
	return r, nil
}

func runSmcrouted(l *lab, args []string) (result, error) {
	_, err := l.startDaemon(args[0], args[1:])
	return result{}, err
}

func runSmcroutectl(l *lab, args []string) (result, error) {
	if _, err := l.namespace(args[0]); err != nil {
		return result{}, err
	}
	return l.exec(l.client(args[0], args[1:]...))
}

func runReload(l *lab, args []string) (result, error) {
	d, err := l.running(args[0])
	if err != nil {
		return result{}, err
	}
	return result{}, d.reload()
}

func runSignal(l *lab, args []string) (result, error) {
	d, err := l.running(args[0])
	if err != nil {
		return result{}, err
	}
	signal := unix.SignalNum("SIG" + args[1])
	if signal == 0 {
		return result{}, usagef("unknown signal %q: expected a name such as HUP", args[1])
	}
	return result{}, d.Signal(signal)
}

func runEnd(l *lab, args []string) (result, error) {
	d := l.daemons[args[0]]
	if d == nil {
		return result{}, usagef("no smcrouted was started in %s", args[0])
	}
	err := d.stop()
	return result{stdout: d.Log.String()}, err
}

func runCrash(l *lab, args []string) (result, error) {
	d, err := l.running(args[0])
	if err != nil {
		return result{}, err
	}
	signal := unix.SIGKILL
	if len(args) > 1 {
		if signal = unix.SignalNum("SIG" + args[1]); signal == 0 {
			return result{}, usagef("unknown signal %q: expected a name such as QUIT", args[1])
		}
	}
	if err := d.Signal(signal); err != nil {
		return result{}, err
	}
	if !await(d.Ended) {
		return result{}, fmt.Errorf("smcrouted in %s did not end within %v", args[0], deadline)
	}
	delete(l.daemons, args[0]) // its exit code is no surprise
	return result{}, nil
}

func runLog(l *lab, args []string) (result, error) {
	d := l.daemons[args[0]]
	if d == nil {
		return result{}, usagef("no smcrouted was started in %s", args[0])
	}
	return result{stdout: d.Log.String()}, nil
}

func runCapture(l *lab, args []string) (result, error) {
	for _, arg := range args {
		ns, link, err := l.iface(arg)
		if err != nil {
			return result{}, err
		}
		l.captures[arg] = &capture{ns.Capture(link), map[mroute.SG]netlab.Flow{}}
	}
	return result{}, nil
}

// options reads NAME=NUMBER words.
func options(args []string, into map[string]*int) error {
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		target := into[name]
		n, err := strconv.Atoi(value)
		if target == nil || err != nil || n < 0 {
			return usagef("unknown option %q", arg)
		}
		*target = n
	}
	return nil
}

func runSend(l *lab, args []string) (result, error) {
	ns, link, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	sg, err := parseSG(args[1], args[2])
	if err != nil {
		return result{}, err
	}
	ttl, count := 0, 1
	if err := options(args[3:], map[string]*int{"ttl": &ttl, "count": &count}); err != nil {
		return result{}, err
	}
	if ttl > 255 {
		return result{}, usagef("ttl=%d: expected 1 to 255", ttl)
	}
	ns.SendBurst(link, netlab.Packet{Src: sg.Source, Group: sg.Group, TTL: uint8(ttl)}, l.sent, count)
	l.sent += uint64(count)
	return result{}, nil
}

func runRecv(l *lab, args []string) (result, error) {
	c := l.captures[args[0]]
	if c == nil {
		return result{}, usagef("nothing is captured on %s: use capture before sending", args[0])
	}
	sg, err := parseSG(args[1], args[2])
	if err != nil {
		return result{}, err
	}
	want, err := strconv.Atoi(args[3])
	if err != nil || want < 0 {
		return result{}, usagef("%q: expected the number of packets", args[3])
	}
	ttl := 0
	if err := options(args[4:], map[string]*int{"ttl": &ttl}); err != nil {
		return result{}, err
	}
	before := c.claimed[sg]
	await(func() bool { return c.Count(sg) >= before.Packets+want })
	flow := c.Flow(netlab.In, sg)
	if got := flow.Packets - before.Packets; got != want {
		return result{}, fmt.Errorf("got %d packets of %v on %s, want %d; %v", got, sg, args[0], want, c.Capture)
	}
	if ttl != 0 && flow.TTLs[uint8(ttl)]-before.TTLs[uint8(ttl)] != want {
		return result{}, fmt.Errorf("not all packets of %v on %s had TTL %d: %v by TTL, %v before", sg, args[0], ttl, flow.TTLs, before.TTLs)
	}
	if flow.Duplicates != 0 {
		return result{}, fmt.Errorf("%d packets of %v came twice on %s", flow.Duplicates, sg, args[0])
	}
	c.claimed[sg] = flow
	return result{}, nil
}

func runMembers(l *lab, args []string) (result, error) {
	ns, link, err := l.iface(args[0])
	if err != nil {
		return result{}, err
	}
	var out strings.Builder
	for _, sg := range ns.Memberships(link) {
		fmt.Fprintln(&out, sg)
	}
	return result{stdout: out.String()}, nil
}

func runAwait(l *lab, args []string) (result, error) {
	want := true
	if args[0] == "-not" {
		want, args = false, args[1:]
	}
	if len(args) < 2 {
		return result{}, usagef("usage: await %s", commands["await"].usage)
	}
	re, err := regexp.Compile("(?m)" + args[0])
	if err != nil {
		return result{}, usagef("%v", err)
	}
	var r result
	var usage usageError
	met := await(func() bool {
		r, err = l.run(args[1], args[2:])
		return errors.As(err, &usage) || err == nil && re.MatchString(r.stdout) == want
	})
	switch {
	case errors.As(err, &usage):
		return r, err
	case !met && err != nil:
		return r, fmt.Errorf("after %v: %w", deadline, err)
	case !met && want:
		return r, fmt.Errorf("after %v the output does not match %q", deadline.Round(time.Second), re)
	case !met:
		return r, fmt.Errorf("after %v the output still matches %q", deadline.Round(time.Second), re)
	}
	return r, nil
}
