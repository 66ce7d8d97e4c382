package draw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Filter picks rows. The zero Filter takes all.
type Filter struct {
	view.About
	Namespace string // of objects of Kubernetes; "": all, and what no object made
	Name      string // of the object
}

// ParseFilter reads the arguments of a verb: see [view.ParseAbout].
func ParseFilter(args []string) (Filter, error) {
	about, err := view.ParseAbout(args)
	return Filter{About: about}, err
}

// from reports whether f picks what stems from one of origins.
func (f *Filter) from(origins ...view.Origin) bool {
	if f.Namespace == "" && f.Name == "" {
		return true
	}
	return slices.ContainsFunc(origins, func(o view.Origin) bool {
		namespace, name, ok := strings.Cut(object(o.Ref), "/")
		return ok && o.Line == 0 && (f.Namespace == "" || f.Namespace == namespace) && (f.Name == "" || f.Name == name)
	})
}

// Apply leaves only what f picks of a state, and counts and links as they are.
func (f *Filter) Apply(s *view.State) {
	s.Rules = keep(s.Rules, func(r *view.Rule) bool { return f.Takes(r.Source, r.Group) && f.from(r.Origin) })
	flow := func(w *view.Flow) bool { return f.Takes(w.Source, w.Group) && f.from(w.Origins...) }
	s.Flows = keep(s.Flows, flow)
	s.Foreign = keep(s.Foreign, flow)
	s.Pending = keep(s.Pending, func(p *view.Pending) bool { return f.Takes(p.Source, p.Group) && f.from(p.Origin) })
	if f.Name != "" || f.Namespace != "" {
		return // memberships do not tell whose they are
	}
	member := func(m *view.Membership) bool { return f.Takes(m.Source, m.Group) }
	s.Groups = keep(s.Groups, member)
	s.Joined = keep(s.Joined, member)
}

func keep[T any](all []T, picks func(*T) bool) []T {
	return slices.DeleteFunc(all, func(t T) bool { return !picks(&t) })
}

// routeKind is before the names of MulticastRoutes in the Ref of an origin.
const routeKind = "MulticastRoute "

// object is the name of what made a rule, without the kind that it nearly always
// is.
func object(ref string) string { return strings.TrimPrefix(ref, routeKind) }

// origin is a rule's origin in one word: "/etc/smcroute.conf:7".
func origin(o view.Origin) string {
	if o.Line > 0 {
		return fmt.Sprintf("%s:%d", o.Ref, o.Line)
	}
	return object(o.Ref)
}
