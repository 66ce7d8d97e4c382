package translate_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// crowded adds to a world what is there all the time: a large route, in whose way
// others are, and more groups in pods than one namespace may have.
func crowded(in translate.Input) translate.Input {
	large := v1alpha1.MulticastRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "red", Name: "large"}}
	large.Spec.From.Interface = "eth0"
	large.Spec.Sources = []v1alpha1.Address{"10.0.0.1", "10.0.0.2"}
	large.Spec.Groups = append(groups("226.1.1.%d", 100), "225.1.1.1", "225.1.1.2")
	large.Spec.To = []v1alpha1.RouteOutput{{Interface: "eth1"}}
	in.Routes = append(in.Routes, large)
	for i := range 6 {
		g := v1alpha1.MulticastGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "blue", Name: fmt.Sprintf("many%d", i)}}
		g.Spec.NetworkNamespace = v1alpha1.NetworkNamespace{Type: v1alpha1.PodNamespace, PodSelector: &metav1.LabelSelector{}}
		g.Spec.Interface = "net1"
		g.Spec.Groups = []v1alpha1.Address{v1alpha1.Address(fmt.Sprintf("225.64.%d.0/20", 16*i))}
		in.Groups = append(in.Groups, g)
	}
	return in
}

// metas are those of all objects.
func metas(in translate.Input) (ms []*metav1.ObjectMeta) {
	for i := range in.Routes {
		ms = append(ms, &in.Routes[i].ObjectMeta)
	}
	for i := range in.Groups {
		ms = append(ms, &in.Groups[i].ObjectMeta)
	}
	return ms
}

// evolve returns a world in which little is other than in the one before, and
// which shares no memory with it that has changed.
func evolve(t *rapid.T, in translate.Input, step int) translate.Input {
	in.Routes, in.Groups, in.Pods = slices.Clone(in.Routes), slices.Clone(in.Groups), slices.Clone(in.Pods)
	i := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "which") }
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0, 1:
		r := &in.Routes[i(len(in.Routes))]
		r.Spec = drawRoute(t, 0).Spec
		r.Generation++
	case 2:
		at := i(len(in.Routes))
		in.Routes = slices.Delete(in.Routes, at, at+1)
	case 3:
		r := drawRoute(t, 100+step)
		r.UID = types.UID(fmt.Sprint("new", step))
		in.Routes = append(in.Routes, r)
	case 4: // another one of the same name
		r := &in.Routes[i(len(in.Routes))]
		name := r.Name
		*r = drawRoute(t, 0)
		r.Name, r.UID = name, types.UID(fmt.Sprint("again", step))
	case 5:
		if len(in.Groups) > 0 {
			at := i(len(in.Groups))
			in.Groups = slices.Delete(in.Groups, at, at+1)
		}
	case 6:
		if at := i(1 + len(in.Pods)); at < len(in.Pods) {
			in.Pods[at] = drawPod(t, at)
		} else {
			in.Pods = append(in.Pods, drawPod(t, at))
		}
	case 7:
		m := metas(in)[i(len(metas(in)))]
		m.CreationTimestamp = drawMeta(t, 0).CreationTimestamp
	case 8:
		deleted := metav1.Now()
		metas(in)[i(len(metas(in)))].DeletionTimestamp = &deleted
	case 9:
		in.Node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(in.Node.Labels)}}
		in.Node.Labels["site"] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "site")
		in.PodNetworkNamespaces = rapid.IntRange(0, 3).Draw(t, "pod namespaces") > 0
	}
	if len(in.Routes) == 0 {
		in.Routes = []v1alpha1.MulticastRoute{drawRoute(t, 200+step)}
	}
	return in
}

// Who knows the world before comes to the same as who does not.
func TestTranslator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := crowded(drawInput(t))
		in.PodNetworkNamespaces = true
		for i, m := range metas(in) {
			m.UID = types.UID(fmt.Sprint(i))
		}
		var known translate.Translator
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			now := known.Translate(in)
			if d := diff(translate.Translate(in), now); d != "" {
				t.Fatalf("step %d:\n%s", step, d)
			}
			checkNumbers(t, now)
			in = evolve(t, in, step)
		}
	})
}

// checkNumbers checks that the numbers of parts ascend and do not overlap.
func checkNumbers(t *rapid.T, res translate.Result) {
	for at, l := range res.Layers {
		last := 0
		for _, p := range l.Parts {
			var seqs []int
			for i := range p.Routes {
				seqs = append(seqs, p.Routes[i].Origin.Seq)
			}
			for i := range p.Joins {
				seqs = append(seqs, p.Joins[i].Origin.Seq)
			}
			slices.Sort(seqs)
			if len(slices.Compact(slices.Clone(seqs))) < len(seqs) || seqs[0] <= last {
				t.Fatalf("%v: a part with the numbers %v behind %d", at, seqs, last)
			}
			last = seqs[len(seqs)-1]
		}
	}
}

// What has not changed is not even copied.
func TestTranslatorSame(t *testing.T) {
	in := crowded(translate.Input{HostNamespaces: []string{"*"}})
	for i, m := range metas(in) {
		m.UID = types.UID(fmt.Sprint(i))
	}
	var known translate.Translator
	at := translate.Router{}
	before := known.Translate(in).Layers[at]
	in = crowded(translate.Input{HostNamespaces: []string{"*"}}) // in other memory
	for i, m := range metas(in) {
		m.UID = types.UID(fmt.Sprint(i))
	}
	if now := known.Translate(in).Layers[at]; len(before.Parts) == 0 || !now.Equal(&before) {
		t.Errorf("%d parts are %d others", len(before.Parts), len(now.Parts))
	}
	more := in.Routes[0]
	more.Name, more.UID = "more", "more"
	in.Routes = append(in.Routes, more)
	in.Routes[0].Generation++
	if now := known.Translate(in).Layers[at]; len(now.Parts) != 2 || now.Parts[0].Routes[0].Origin.Generation != 1 {
		t.Fatalf("with one more, and another generation of the first: %v", now.Parts)
	} else {
		before = now
	}
	in.Routes[0].Generation++
	if now := known.Translate(in).Layers[at]; now.Parts[0] == before.Parts[0] || now.Parts[1] != before.Parts[1] {
		t.Error("the other one is no longer the same part")
	}
}
