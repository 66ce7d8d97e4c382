package mroute_test

import (
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func TestSince(t *testing.T) {
	rule := func(seq int) *mroute.Part {
		return &mroute.Part{Routes: []mroute.Route{{Origin: mroute.Origin{Seq: seq}}}}
	}
	a, b, c, d := rule(10), rule(20), rule(30), rule(40)
	join := &mroute.Part{Joins: []mroute.Join{{Origin: mroute.Origin{Seq: 25}}}}
	anew := rule(20) // instead of b
	type parts []*mroute.Part
	for _, tt := range []struct {
		name                    string
		before, now, come, gone parts
	}{
		{"the first", nil, parts{a, b}, parts{a, b}, nil},
		{"none left", parts{a, b}, nil, nil, parts{a, b}},
		{"the same", parts{a, b}, parts{a, b}, nil, nil},
		{"one between", parts{a, c}, parts{a, b, c}, parts{b}, nil},
		{"one at the end", parts{a, c}, parts{a, c, d}, parts{d}, nil},
		{"one less", parts{a, b, c}, parts{a, c}, nil, parts{b}},
		{"another one", parts{a, b, c}, parts{a, anew, c}, parts{anew}, parts{b}},
		{"a membership", parts{b, c}, parts{b, join, c}, parts{join}, nil},
		{"in another order", parts{a, b}, parts{b, a}, parts{a}, parts{a}},
	} {
		come, gone := (&mroute.Layer{Parts: tt.now}).Since(&mroute.Layer{Parts: tt.before})
		if !slices.Equal(come, tt.come) || !slices.Equal(gone, tt.gone) {
			t.Errorf("%s: came %v, went %v", tt.name, come, gone)
		}
	}
}
