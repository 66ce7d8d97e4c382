package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// route is the text of a route in one line of flow style.
func route(name, spec string) string {
	return fmt.Sprintf("---\napiVersion: multicast.smcroute.io/v1alpha1\nkind: MulticastRoute\nmetadata: {name: %s}\nspec: {%s}\n", name, spec)
}

// apply applies objects in the namespace place.
func (s *system) apply(text string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.Kubectl("apply", "-n", place, "-f", file)
}

// status waits until the status of a route is about its generation and cond
// holds.
func (s *system) status(name, what string, cond func(v1alpha1.MulticastRouteStatus) bool) v1alpha1.MulticastRouteStatus {
	s.t.Helper()
	r := &v1alpha1.MulticastRoute{}
	defer func() {
		if s.t.Failed() { // await has ended the test
			s.t.Logf("route %s:\n%s\nnodes:\n%s", name, s.show("mcroute", "-n", place, name), s.show("mcns"))
		}
	}()
	s.await(fmt.Sprintf("route %s: %s", name, what), func() bool {
		err := s.Client.Get(context.Background(), client.ObjectKey{Namespace: place, Name: name}, r)
		return err == nil && r.Status.ObservedGeneration == r.Generation && cond(r.Status)
	})
	return r.Status
}

// show is the YAML of objects, for messages.
func (s *system) show(args ...string) string {
	out, err := s.TryKubectl(append(append([]string{"get"}, args...), "-o", "yaml")...)
	if err != nil {
		return err.Error()
	}
	return out
}

// programmed waits until n nodes, all that are selected, have the route in the
// kernel.
func (s *system) programmed(name string, n int32) {
	s.t.Helper()
	s.status(name, fmt.Sprintf("%d nodes have programmed it", n), func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Nodes.Programmed == n && st.Nodes.Matched == n && meta.IsStatusConditionTrue(st.Conditions, v1alpha1.ConditionProgrammed)
	})
}

// packets waits until the nodes together have counted exactly n packets.
func (s *system) packets(name string, n uint64) {
	s.t.Helper()
	s.status(name, fmt.Sprintf("%d packets are counted", n), func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Counters != nil && uint64(st.Counters.Packets) == n
	})
}

// packetsAtLeast waits until the nodes together have counted n packets.
func (s *system) packetsAtLeast(name string, n uint64) {
	s.t.Helper()
	s.status(name, fmt.Sprintf("%d packets or more are counted", n), func(st v1alpha1.MulticastRouteStatus) bool {
		return st.Counters != nil && uint64(st.Counters.Packets) >= n
	})
}

// kernelPackets is how many packets of some flows the kernels of the nodes have
// counted together.
func (s *system) kernelPackets(of func(mroute.SG) bool) (n uint64) {
	s.t.Helper()
	for _, node := range s.Nodes {
		var show struct {
			Routes struct {
				Kernel []struct {
					Source, Group netip.Addr
					Packets       uint64
				}
			}
		}
		if err := json.Unmarshal([]byte(s.smcroutectl(node, "-j", "show")), &show); err != nil {
			s.t.Fatal(err)
		}
		for _, r := range show.Routes.Kernel {
			if of(mroute.SG{Source: r.Source, Group: r.Group}) {
				n += r.Packets
			}
		}
	}
	return n
}
