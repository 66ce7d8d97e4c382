package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

const drawing = `
            ┌──────────────────────────────────────────────────────────┐
            │  kube-apiserver, etcd, smcroute-controller               │
            └────────┬────────────────────────────────────┬────────────┘
   sender       ┌────┴───────────┐  receiver  sender ┌────┴───────────┐  receiver
   eth0 ────────┤ eth0  n1  eth1 ├──── eth0   eth0 ──┤ eth0  n2  eth1 ├──── eth0
                │          wlan0 ├──── eth0          │          wlan0 ├──── eth0
                │ smcroute-agent │  handheld         │ smcroute-agent │  handheld
                └────────┬───────┘                   └────────┬───────┘
                   pod player-1                         pod player-2
`

// samples are those of config/samples that make sense here.
var samples = []string{"studio.yaml", "iptv.yaml", "site-ipv6.yaml", "players.yaml", "cameras.yaml", "news-group.yaml"}

// sent is a flow, and the sample that it is for.
type sent struct {
	sample string
	sg     mroute.SG
	pod    bool // it arrives at the pod, and not at the receiver
}

func flow(source, group string) mroute.SG {
	return mroute.SG{Source: netip.MustParseAddr(source), Group: netip.MustParseAddr(group)}
}

var flows = []sent{
	{"studio", flow("192.168.1.42", "232.1.2.3"), false},
	{"iptv", flow("10.20.30.40", "239.192.7.7"), false},
	{"site-ipv6", flow("2001:db8:1::7", "ff3e::8000:42"), false},
	{"players", flow("192.168.1.42", "232.5.6.7"), true},
}

// patience is how long anything may take that should happen soon, on a busy
// machine.
const patience = 30 * time.Second

type show struct {
	ctx   context.Context
	tb    netlab.TB
	began time.Time
	lab   *kubelab.Lab
	hosts []host
}

type host struct {
	*kubelab.Node
	sender            *netlab.NS
	atReceiver, atPod *netlab.Capture
}

func newShow(ctx context.Context, tb netlab.TB, programs, dir string) *show {
	s := &show{ctx: ctx, tb: tb, began: time.Now()}
	fmt.Print(drawing, "\n")
	s.title("Starting etcd and the API server")
	s.lab = kubelab.Start(tb, kubelab.Options{Programs: programs, Dir: dir})
	fmt.Print(firstLine(s.lab.Kubectl("version")), "config/default is applied: definitions, roles, policy\n")
	return s
}

func (s *show) run() {
	s.title("Starting smcroute-controller, and smcroute-agent on two nodes")
	controller := s.lab.LaunchController(s.tb, "--leader-elect=false")
	s.lab.LaunchGarbageCollector(s.tb)
	var agents []*kubelab.Process
	for i, name := range []string{"n1", "n2"} {
		h := host{Node: s.lab.Node(s.tb, name, map[string]string{"role": "edge"}), sender: netlab.New(s.tb)}
		receiver := netlab.New(s.tb)
		h.sender.Veth("eth0", h.NS, "eth0")
		h.NS.Veth("eth1", receiver, "eth0")
		h.NS.Veth("wlan0", netlab.New(s.tb), "eth0")
		h.atReceiver = receiver.Capture("eth0")
		pod := h.Pod(kubelab.PodSpec{
			Namespace: kubelab.Namespace, Name: fmt.Sprintf("player-%d", i+1), Labels: map[string]string{"app": "player"},
			IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 88, byte(i), 10})},
		})
		h.atPod = pod.NS.Capture("eth0")
		agents = append(agents, h.Launch("--host-namespaces="+kubelab.Namespace))
		s.hosts = append(s.hosts, h)
	}
	for _, p := range append(agents, controller) {
		p.AwaitReady()
	}
	fmt.Print(s.lab.Kubectl("get", "nodes,pods", "-A"))

	s.title("kubectl apply -f config/samples/...")
	root, err := kubelab.Root()
	if err != nil {
		s.tb.Fatalf("%v", err)
	}
	for _, file := range samples {
		fmt.Print(s.lab.Kubectl("apply", "-f", filepath.Join(root, "config/samples", file)))
	}
	if _, err := s.lab.TryKubectl("wait", "mcroute,mcgroup", "--all", "-n", kubelab.Namespace, "--for=condition=Programmed", "--timeout=30s"); err != nil {
		s.tb.Fatalf("%v\n%s", err, s.lab.Kubectl("get", "mcroute,mcgroup", "-A", "-o", "wide"))
	}

	s.title("Packets are sent on both nodes, 100 a second of each of four flows")
	for _, h := range s.hosts {
		for _, f := range flows {
			h.sender.Stream(s.ctx, "eth0", netlab.Packet{Src: f.sg.Source, Group: f.sg.Group, TTL: 9}, 100)
		}
	}
	for range 3 {
		s.sleep(1500 * time.Millisecond)
		fmt.Print(dim("$ kubectl get mcroute -A -o wide\n"), s.lab.Kubectl("get", "mcroute", "-A", "-o", "wide"), "\n")
	}
	fmt.Print(dim("$ kubectl get mcgroup,mcns -A\n"), s.lab.Kubectl("get", "mcgroup,mcns", "-A"), "\n")

	s.title("What arrived")
	for _, h := range s.hosts {
		for _, f := range flows {
			at, where := h.atReceiver, "the receiver behind eth1"
			if f.pod {
				at, where = h.atPod, "the pod"
			}
			at.Await(f.sg, 100, patience)
			fmt.Printf("%s  %-10s %-34s %6d packets at %s\n", h.Name, f.sample, f.sg, at.Count(f.sg), where)
		}
	}
	// The status follows, with what the kernels counted.
	out := ""
	netlab.Await(s.tb, patience, func() bool {
		out = s.lab.Kubectl("get", "mcroute", "-n", kubelab.Namespace, "-o", `jsonpath={range .items[?(@.status.counters.packets>=200)]}{.metadata.name}{" "}{end}`)
		return len(strings.Fields(out)) == len(flows)
	}, "the status to count 200 packets of each flow")
	s.title(fmt.Sprintf("All of it works, %.0f s after the start", time.Since(s.began).Seconds()))
}

// stay leaves everything running for a while.
func (s *show) stay(kubeconfig string, d time.Duration) {
	if d == 0 || s.ctx.Err() != nil {
		return
	}
	kubectl := filepath.Join(os.Getenv(kubelab.EnvAssets), "kubectl")
	fmt.Printf(`
The packets go on. In another terminal:

  export KUBECONFIG=%s
  alias kubectl=%s     # if you have none

  kubectl get mcroute -A -o wide -w              # counters rise each second
  kubectl describe mcroute -n kube-smcroute studio
  kubectl explain mcroute.spec
  kubectl edit mcroute -n kube-smcroute studio   # the packets follow
  kubectl label node n2 role-                    # iptv leaves node n2
  kubectl apply -f config/samples/router-pod.yaml  # refused by the agents, with a reason
  %s -u %s -d show

`, kubeconfig, kubectl, "bin/smcroutectl", s.hosts[0].Socket)
	if d == forever {
		fmt.Println("Ctrl-C ends it.")
	} else {
		fmt.Printf("It ends after %v.\n", d)
	}
	s.sleep(d)
	fmt.Println()
}

// sleep waits, but not longer than the demo goes.
func (s *show) sleep(d time.Duration) {
	select {
	case <-s.ctx.Done():
	case <-time.After(d):
	}
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Server") {
			return line
		}
	}
	return text
}

// colour is whether standard output is a terminal that wants escape sequences.
var colour = term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""

func paint(code, text string) string {
	if !colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *show) title(text string) { fmt.Println(paint("1", "== "+text)) }

func dim(text string) string { return paint("2", text) }
