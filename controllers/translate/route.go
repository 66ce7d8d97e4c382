package translate

import (
	"fmt"
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// route works out what a MulticastRoute wants.
func (x *expander) route(w *wish, spec *v1alpha1.MulticastRouteSpec) *Rejection {
	if spec.Table < 0 {
		return invalid(fmt.Errorf("spec.table: %d: expected 0 to 999999999", spec.Table))
	}
	if err := checkEnds(spec); err != nil {
		return invalid(err)
	}
	groups, err := parseGroups(spec.Groups, true)
	if err != nil {
		return invalid(err)
	}
	family := mroute.FamilyOf(groups[0].Addr())
	routers, rejection := x.place(w, &spec.NetworkNamespace, namesInterface(spec) || !isDefaultTable(family, uint32(spec.Table)))
	if rejection != nil {
		return rejection
	}
	sources, err := parseSources(spec.Sources, family)
	if err != nil {
		return invalid(err)
	}
	if err := checkAnySource(spec, sources, groups); err != nil {
		return invalid(err)
	}
	if err := checkSize(sources, groups, spec.Join); err != nil {
		return invalid(err)
	}
	ps := problems{}
	to, err := x.outputs(w, spec.To, family, &ps)
	if err != nil {
		return invalid(err)
	}
	inputs, err := x.inputs(w, spec, sources, groups, to, &ps)
	if err != nil {
		return invalid(err)
	}
	want := want{inputs: inputs, joins: joinsOf(inputs, spec.Join)}
	for _, r := range routers {
		want.router = x.inTable(r, family, uint32(spec.Table))
		w.wants = append(w.wants, want)
	}
	w.object.Problems = append(w.object.Problems, ps.list()...)
	w.object.Problems = append(w.object.Problems, tooMany(inputs, to)...)
	return nil
}

// checkEnds checks spec.from and spec.to.
func checkEnds(spec *v1alpha1.MulticastRouteSpec) error {
	inPod := spec.NetworkNamespace.Type == v1alpha1.PodNamespace
	if err := checkEnd("spec.from", spec.From.Interface, spec.From.Pods, inPod); err != nil {
		return err
	}
	if spec.From.Pods != nil && len(spec.Sources) > 0 {
		return fmt.Errorf("spec.sources: expected none with spec.from.pods, whose addresses are the sources")
	}
	for i, o := range spec.To {
		field := fmt.Sprintf("spec.to[%d]", i)
		if err := checkEnd(field, o.Interface, o.Pods, inPod); err != nil {
			return err
		}
		if o.Interface != "" && o.Interface == spec.From.Interface && !mroute.IfPattern(o.Interface).IsWildcard() {
			return fmt.Errorf("%s.interface: %s is spec.from.interface too: packets would go out where they came in", field, o.Interface)
		}
		if o.TTLThreshold < 0 || o.TTLThreshold > 255 {
			return fmt.Errorf("%s.ttlThreshold: %d: expected 1 to 255", field, o.TTLThreshold)
		}
	}
	return nil
}

func checkEnd(field string, name v1alpha1.Interface, pods *metav1.LabelSelector, inPod bool) error {
	switch {
	case (name == "") == (pods == nil):
		return fmt.Errorf("%s: expected either interface or pods", field)
	case pods != nil && inPod:
		return fmt.Errorf("%s.pods: expected interface, as networkNamespace is Pod: the ends are interfaces of the pod", field)
	case pods != nil:
		return nil
	}
	return checkInterface(field+".interface", name)
}

func namesInterface(spec *v1alpha1.MulticastRouteSpec) bool {
	return spec.From.Interface != "" || slices.ContainsFunc(spec.To, func(o v1alpha1.RouteOutput) bool { return o.Interface != "" })
}

// anySources are the ways to forward from any source.
var anySources = map[v1alpha1.AnySource]mroute.AnySource{
	"":                       mroute.PreferNative,
	v1alpha1.NativeAnySource: mroute.NativeSources,
	v1alpha1.LearnAnySource:  mroute.LearnSources,
}

// maxFlows is the greatest value of spec.maxFlows.
const maxFlows = 1_000_000

// checkAnySource checks spec.anySource and spec.maxFlows.
func checkAnySource(spec *v1alpha1.MulticastRouteSpec, sources, groups []netip.Prefix) error {
	isPrefix := func(p netip.Prefix) bool { return p.IsValid() && !p.IsSingleIP() }
	switch _, known := anySources[spec.AnySource]; {
	case !known:
		return fmt.Errorf("spec.anySource: %q: expected Native or Learn", spec.AnySource)
	case spec.AnySource != "" && (spec.From.Pods != nil || len(spec.Sources) > 0):
		return fmt.Errorf("spec.anySource: expected none with spec.sources or spec.from.pods: it is for routes from any source")
	case spec.AnySource == v1alpha1.NativeAnySource && slices.ContainsFunc(groups, isPrefix):
		return fmt.Errorf("spec.anySource: expected no Native with a prefix in spec.groups: the kernel has no entry for one")
	case spec.MaxFlows == 0:
		return nil
	case spec.MaxFlows < 0 || spec.MaxFlows > maxFlows:
		return fmt.Errorf("spec.maxFlows: %d: expected 1 to %d", spec.MaxFlows, maxFlows)
	case spec.From.Pods != nil || len(spec.Sources) > 0 && !slices.ContainsFunc(sources, isPrefix) && !slices.ContainsFunc(groups, isPrefix):
		return fmt.Errorf("spec.maxFlows: expected none where nothing is learned, with single sources and groups or spec.from.pods")
	}
	return nil
}

// checkSize refuses what stands for very much.
func checkSize(sources, groups []netip.Prefix, join bool) error {
	if len(sources)*len(groups) > MaxRules {
		return fmt.Errorf("spec.groups: %d sources times %d groups: expected at most %d pairs", len(sources), len(groups), MaxRules)
	}
	if join && joins(sources, groups, MaxJoins) > MaxJoins {
		return fmt.Errorf("spec.join: sources times groups stand for more than %d joins: expected longer prefixes, or a MulticastGroup for some of them", MaxJoins)
	}
	return nil
}

// inputs are the rules. One interface has the same outputs for all; of pods each
// has those that are not its own link.
func (x *expander) inputs(w *wish, spec *v1alpha1.MulticastRouteSpec, sources, groups []netip.Prefix, to []mroute.Output, ps *problems) ([]input, error) {
	if spec.From.Pods == nil {
		return []input{newInput(mroute.IfPattern(spec.From.Interface), product{sources, groups}, to, spec)}, nil
	}
	pods, err := x.selected(w, spec.From.Pods)
	if err != nil {
		return nil, fmt.Errorf("spec.from.pods: %w", err)
	}
	var froms []end
	f := mroute.FamilyOf(groups[0].Addr())
	for _, p := range pods {
		froms = append(froms, p.ends[f]...)
		ps.add(p, p.why[f])
	}
	if len(froms)*len(groups) > MaxRules {
		return nil, fmt.Errorf("spec.groups: %d pods times %d groups: expected at most %d pairs", len(froms), len(groups), MaxRules)
	}
	seen := make(map[end]bool, len(froms))
	inputs := make([]input, 0, len(froms))
	for _, e := range froms {
		if !seen[e] {
			seen[e] = true
			s := netip.PrefixFrom(e.addr, e.addr.BitLen())
			inputs = append(inputs, newInput(e.link, product{[]netip.Prefix{s}, groups}, to, spec))
		}
	}
	return inputs, nil
}

// newInput leaves the inbound link out of the outputs. Of those that a wildcard
// names the router does, as it knows where a packet came in.
func newInput(from mroute.IfPattern, p product, to []mroute.Output, spec *v1alpha1.MulticastRouteSpec) input {
	to = without(to, from)
	return input{
		from: from, product: p, to: to,
		any: anySources[spec.AnySource], most: int(spec.MaxFlows),
		idle: len(to) == 0 && len(spec.To) > 0,
	}
}

// without returns to without what is the very link from. It may be to itself.
func without(to []mroute.Output, from mroute.IfPattern) []mroute.Output {
	if from.IsWildcard() {
		return to
	}
	name := from.Name()
	_, pinned := from.Pin()
	is := func(o mroute.Output) bool {
		// A plain name stands for all links of that name, pinned or not.
		return o.If == from || string(o.If) == name || !pinned && o.If.Name() == name
	}
	if !slices.ContainsFunc(to, is) {
		return to
	}
	return slices.DeleteFunc(slices.Clone(to), is)
}

// outputs are the interfaces and the links to the pods, each once and with the
// lowest of its thresholds.
func (x *expander) outputs(w *wish, spec []v1alpha1.RouteOutput, f mroute.Family, ps *problems) ([]mroute.Output, error) {
	var to []mroute.Output
	at := x.at
	clear(at)
	add := func(o mroute.Output) {
		i, ok := at[o.If]
		if !ok {
			at[o.If] = len(to)
			to = append(to, o)
		} else if o.Threshold < to[i].Threshold {
			to[i].Threshold = o.Threshold
		}
	}
	for i, o := range spec {
		th := mroute.Threshold(o.TTLThreshold)
		if o.Pods == nil {
			add(mroute.Output{If: mroute.IfPattern(o.Interface), Threshold: th})
			continue
		}
		pods, err := x.selected(w, o.Pods)
		if err != nil {
			return nil, fmt.Errorf("spec.to[%d].pods: %w", i, err)
		}
		for _, p := range pods {
			ps.add(p, p.why[f])
			for _, e := range p.ends[f] {
				add(mroute.Output{If: e.link, Threshold: th})
			}
		}
	}
	return to, nil
}

// joinsOf are the memberships of a route. One that has nowhere to forward on this
// node does not ask for the traffic either.
func joinsOf(inputs []input, join bool) (ms []membership) {
	for _, in := range inputs {
		if join && !in.idle {
			ms = append(ms, membership{in.from, in.product})
		}
	}
	return ms
}

// tooMany tells that one input and all outputs of the route cannot be in a kernel
// table at once, as far as that shows here. Several inputs can have several tables.
func tooMany(inputs []input, to []mroute.Output) []Rejection {
	if 1+len(to) <= mroute.MaxVIFs {
		return nil
	}
	outputs := make(map[string]bool)
	for _, o := range to {
		if !o.If.IsWildcard() {
			outputs[o.If.Name()] = true
		}
	}
	for _, in := range inputs {
		need := len(outputs)
		if !in.from.IsWildcard() && !outputs[in.from.Name()] {
			need++
		}
		if need > mroute.MaxVIFs {
			return []Rejection{{v1alpha1.ReasonVIFTableFull, fmt.Sprintf(
				"packets that arrive on %s need %d interfaces on this node with the outputs, and a table of the kernel has %d: they do not leave by %d of the outputs", in.from.Name(), need, mroute.MaxVIFs, need-mroute.MaxVIFs)}}
		}
	}
	return nil
}
