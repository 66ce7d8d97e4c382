package node

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

var epoch = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// pod is one that runs, made so many minutes after the epoch.
func pod(name string, minute int, ips ...string) corev1.Pod {
	p := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "studio", Name: name, UID: types.UID("uid-" + name),
			Labels:            map[string]string{"app": name},
			CreationTimestamp: metav1.NewTime(epoch.Add(time.Duration(minute) * time.Minute)),
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for i, ip := range ips {
		if i == 0 {
			p.Status.PodIP = ip
		}
		p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
	}
	return p
}

func with(p corev1.Pod, change func(*corev1.Pod)) corev1.Pod {
	change(&p)
	return p
}

func phase(p corev1.PodPhase) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Status.Phase = p }
}

func deleted(p *corev1.Pod) { p.DeletionTimestamp = ptrTime(epoch.Add(time.Hour)) }

func ptrTime(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

func TestLivePods(t *testing.T) {
	host := func(p *corev1.Pod) { p.Spec.HostNetwork = true }
	for _, tt := range []struct {
		name string
		pods []corev1.Pod
		want string // name=addresses of each
	}{
		{"both families", []corev1.Pod{pod("a", 0, "10.0.0.7", "fd00::7")}, "a=10.0.0.7,fd00::7"},
		{"only podIP, as from an old kubelet", []corev1.Pod{with(pod("a", 0), func(p *corev1.Pod) { p.Status.PodIP = "10.0.0.7" })}, "a=10.0.0.7"},
		{"without an address", []corev1.Pod{pod("a", 0)}, ""},
		{"with a bad address", []corev1.Pod{pod("a", 0, "10.0.0.300", "fe80::1%eth0", "10.0.0.7")}, "a=10.0.0.7"},
		{"mapped addresses are IPv4's", []corev1.Pod{pod("a", 0, "::ffff:10.0.0.7")}, "a=10.0.0.7"},
		{"init containers run", []corev1.Pod{with(pod("a", 0, "10.0.0.7"), phase(corev1.PodPending))}, "a=10.0.0.7"},
		{"ended", []corev1.Pod{with(pod("a", 0, "10.0.0.7"), phase(corev1.PodSucceeded)), with(pod("b", 0, "10.0.0.8"), phase(corev1.PodFailed))}, ""},
		{"unknown is not ended", []corev1.Pod{with(pod("a", 0, "10.0.0.7"), phase(corev1.PodUnknown))}, "a=10.0.0.7"},
		{"an ended one has its address no more", []corev1.Pod{with(pod("job", 9, "10.0.0.7"), phase(corev1.PodSucceeded)), pod("new", 1, "10.0.0.7")}, "new=10.0.0.7"},
		{"one being deleted gives way", []corev1.Pod{with(pod("old", 9, "10.0.0.7"), deleted), pod("new", 1, "10.0.0.7")}, "new=10.0.0.7"},
		{"one being deleted counts", []corev1.Pod{with(pod("old", 9, "10.0.0.7"), deleted)}, "old=10.0.0.7"},
		{"the younger wins", []corev1.Pod{pod("a", 1, "10.0.0.7"), pod("b", 9, "10.0.0.7")}, "b=10.0.0.7"},
		{"each address by itself", []corev1.Pod{pod("old", 1, "10.0.0.7", "fd00::7"), pod("new", 9, "10.0.0.7", "fd00::8")}, "new=10.0.0.7,fd00::8 old=fd00::7"},
		{"the host's address is shared", []corev1.Pod{with(pod("a", 0, "192.0.2.1"), host), with(pod("b", 0, "192.0.2.1"), host), pod("c", 0, "192.0.2.1")}, "a=192.0.2.1 b=192.0.2.1 c=192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 10 {
				rand.Shuffle(len(tt.pods), func(i, j int) { tt.pods[i], tt.pods[j] = tt.pods[j], tt.pods[i] })
				if got := textOf(LivePods(tt.pods)); got != tt.want {
					t.Fatalf("%q, want %q", got, tt.want)
				}
			}
		})
	}
}

func textOf(pods []translate.Pod) string {
	var out []string
	for _, p := range pods {
		var ips []string
		for _, a := range p.IPs {
			ips = append(ips, a.String())
		}
		out = append(out, p.Name+"="+strings.Join(ips, ","))
	}
	return strings.Join(out, " ")
}

func TestLivePodFields(t *testing.T) {
	got := LivePods([]corev1.Pod{pod("a", 0, "10.0.0.7")})
	want := []translate.Pod{{
		Namespace: "studio", Name: "a", UID: "uid-a", Labels: map[string]string{"app": "a"},
		IPs: []netip.Addr{netip.MustParseAddr("10.0.0.7")},
	}}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func route(namespace, name string, change func(*v1alpha1.MulticastRouteSpec)) v1alpha1.MulticastRoute {
	r := v1alpha1.MulticastRoute{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(epoch)},
		Spec: v1alpha1.MulticastRouteSpec{
			From:    v1alpha1.RouteInput{Interface: "eth0"},
			Sources: []v1alpha1.Address{"192.0.2.1"},
			Groups:  []v1alpha1.Address{"225.1.2.3"},
			To:      []v1alpha1.RouteOutput{{Interface: "eth1"}},
		},
	}
	if change != nil {
		change(&r.Spec)
	}
	return r
}

func toPods(s *v1alpha1.MulticastRouteSpec) {
	s.To = []v1alpha1.RouteOutput{{Pods: &metav1.LabelSelector{}}}
}

func fromPods(s *v1alpha1.MulticastRouteSpec) {
	s.From = v1alpha1.RouteInput{Pods: &metav1.LabelSelector{}}
}
