package draw

import (
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Router is one router and what it said of itself.
type Router struct {
	Node    string      // of the cluster; "": there is one router
	State   *view.State // nil if Problem tells why there is none
	Problem string      // a sentence
}

// Look is what routers said now, and what to make of it.
type Look struct {
	Now    []Router
	Before []Router // a while ago: without it there are no rates
	Filter Filter
	Silent time.Duration // without a packet for so long a stream is silent; 0: [DefaultSilent]
}

// DefaultSilent is how long a stream may go without a packet.
const DefaultSilent = 10 * time.Second

func (l *Look) silent() time.Duration {
	if l.Silent > 0 {
		return l.Silent
	}
	return DefaultSilent
}

// before returns the earlier state of a node's router, or nil.
func (l *Look) before(node string) *view.State {
	for i := range l.Before {
		if l.Before[i].Node == node {
			return l.Before[i].State
		}
	}
	return nil
}

// each calls f for each router with a state.
func (l *Look) each(f func(node string, now, before *view.State)) {
	for i := range l.Now {
		if s := l.Now[i].State; s != nil {
			f(l.Now[i].Node, s, l.before(l.Now[i].Node))
		}
	}
}

// Problem is a router that did not say all.
type Problem struct {
	Node    string `json:"node,omitempty"`
	Problem string `json:"problem"` // a sentence
}

// Problems returns those of all routers.
func (l *Look) Problems() []Problem {
	problems := []Problem{}
	for _, r := range l.Now {
		if r.Problem != "" {
			problems = append(problems, Problem{r.Node, r.Problem})
		}
	}
	return problems
}
