package draw

import (
	"slices"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// Dropped is the condition of a flow that no route takes.
const Dropped Condition = "dropped"

// Tree is where packets go, from their senders on.
type Tree struct {
	Senders  []Sender  `json:"senders"`
	Problems []Problem `json:"problems,omitempty"`
	Notes    []string  `json:"notes,omitempty"`
}

// Sender is who sends to a group.
type Sender struct {
	Source string `json:"source,omitempty"` // none: any
	Group  string `json:"group"`
	Nodes  []Hop  `json:"nodes"` // which packets of it go through
}

// Hop is the way through one node.
type Hop struct {
	Node    string    `json:"node,omitempty"`
	IIF     string    `json:"iif,omitempty"`
	State   Condition `json:"state"`
	Reason  string    `json:"reason,omitempty"` // of pending, a sentence
	Routes  []string  `json:"routes,omitempty"`
	Outputs []Output  `json:"outputs"`

	Rate
	view.Traffic
}

// Output is an interface that packets leave through.
type Output struct {
	If   string   `json:"oif"`
	Pods []string `json:"pods,omitempty"` // behind it, "namespace/name"
}

// Tree returns flows by sender, and routes that have none.
func (l *Look) Tree() *Tree {
	t := TreeOf(l.Routes().Routes, l.Flows().Flows)
	t.Problems = l.Problems()

	pods := map[[2]string][]string{} // by node and interface
	l.each(func(node string, now, _ *view.State) {
		for _, link := range now.Links {
			pods[[2]string{node, link.Name}] = link.Pods
		}
	})
	for i := range t.Senders {
		for j := range t.Senders[i].Nodes {
			h := &t.Senders[i].Nodes[j]
			for k := range h.Outputs {
				h.Outputs[k].Pods = pods[[2]string{h.Node, h.Outputs[k].If}]
			}
		}
	}
	return t
}

// TreeOf makes a tree of rows, without problems and pods.
func TreeOf(routes []Route, flows []Flow) *Tree {
	t := &Tree{Senders: []Sender{}}
	at := map[[2]string]int{}
	add := func(source, group string, h Hop) {
		key := [2]string{source, group}
		n, ok := at[key]
		if !ok {
			n = len(t.Senders)
			at[key] = n
			t.Senders = append(t.Senders, Sender{Source: source, Group: group})
		}
		t.Senders[n].Nodes = append(t.Senders[n].Nodes, h)
	}
	outputs := func(iif string, oifs []string) []Output {
		outs := []Output{}
		for _, name := range oifs {
			if name != iif { // which a (*,G) entry lists, and does not send to
				outs = append(outs, Output{If: name})
			}
		}
		return outs
	}

	reasons := map[[2]string]string{} // of what is pending, by node and route
	for i := range routes {
		if r := &routes[i]; r.State == Pending {
			reasons[[2]string{r.Node, r.Route}] = r.Reason
		}
	}
	for i := range flows {
		f := &flows[i]
		h := Hop{
			Node: f.Node, IIF: f.IIF, State: Programmed, Routes: f.Routes, Rate: f.Rate, Traffic: f.Traffic,
			Outputs: outputs(f.IIF, f.OIFs),
		}
		switch {
		case f.Kind == string(view.StopFilter) || len(f.OIFs) == 0:
			h.State = Dropped
		case f.Rate.astray():
			h.State = WrongIf
		case f.Silent:
			h.State = Silent
		}
		for _, route := range f.Routes {
			if reason := reasons[[2]string{f.Node, route}]; reason != "" {
				h.State, h.Reason = Pending, reason
			}
		}
		add(f.Source, f.Group, h)
	}
	for i := range routes {
		if r := &routes[i]; r.Flows == 0 {
			add(r.Source, r.Group, Hop{
				Node: r.Node, IIF: r.IIF, State: r.State, Reason: r.Reason, Routes: []string{r.Route}, Rate: r.Rate, Traffic: r.Traffic,
				Outputs: outputs(r.IIF, r.OIFs),
			})
		}
	}
	return t
}

// branches are the strokes of a tree.
type branches struct{ fork, last, through, under string }

func (s Style) branches() branches {
	if s.ASCII {
		return branches{"|- ", "`- ", "|  ", "   "}
	}
	return branches{"├─ ", "└─ ", "│  ", "   "}
}

// twig is a line of a tree, and what hangs on it.
type twig struct {
	text  string
	below []twig
}

// draw adds the lines of all twigs, each behind indent.
func (s Style) draw(b *strings.Builder, indent string, twigs []twig) {
	strokes := s.branches()
	for i, t := range twigs {
		stroke, further := strokes.fork, strokes.through
		if i == len(twigs)-1 {
			stroke, further = strokes.last, strokes.under
		}
		b.WriteString(s.line(indent+stroke+t.text) + "\n")
		s.draw(b, indent+further, t.below)
	}
}

func (t *Tree) text(s Style) string {
	var b strings.Builder
	for i := range t.Senders {
		sender := &t.Senders[i]
		b.WriteString(s.line(anySource(sender.Source)+" -> "+sender.Group) + "\n")
		var hops []twig
		for j := range sender.Nodes {
			hops = append(hops, sender.Nodes[j].twig(s))
		}
		s.draw(&b, "", hops)
	}
	rest := table{problems: t.Problems, notes: t.Notes}
	if len(t.Senders) == 0 {
		rest.empty = "no routes and no flows"
	}
	b.WriteString(rest.text(s))
	return b.String()
}

// twig is the hop with all that is behind it.
func (h *Hop) twig(s Style) twig {
	words := []string{}
	for _, word := range []string{h.Node, h.IIF} {
		if word != "" {
			words = append(words, word)
		}
	}
	text := strings.Join(words, " ") + h.Rate.words()
	switch {
	case h.State == Pending:
		text += "  pending: " + h.Reason
	case h.State == Silent && h.Packets == 0:
		text += "  no packet yet"
	case h.State == Silent && h.Idle >= 0:
		text += "  silent for " + seconds(h.Idle)
	case h.State != Programmed:
		text += "  " + string(h.State)
	}
	if s.Wide && len(h.Routes) > 0 {
		text += "  (" + list(h.Routes, ", ") + ")"
	}
	t := twig{text: text}
	for _, o := range h.Outputs {
		out := twig{text: o.If}
		for _, pod := range slices.Sorted(slices.Values(o.Pods)) {
			out.below = append(out.below, twig{text: "pod " + pod})
		}
		t.below = append(t.below, out)
	}
	return t
}
