package kernel_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func sg(n byte) mroute.SG {
	return mroute.SG{Source: netip.AddrFrom4([4]byte{10, 0, 0, n}), Group: netip.AddrFrom4([4]byte{232, 0, 0, n})}
}

// found is a table with the entries 1 and 2, of which the second is static.
func found(adopted bool) *kernel.Found {
	return &kernel.Found{
		Dump: kernel.Dump{
			VIFs:    map[mroute.VIF]int{0: 10, 1: 11, 2: 12, 3: 13},
			Entries: map[mroute.SG]mroute.Entry{sg(1): {IIF: 0, OIFs: mroute.OIFs{1: 1}}, sg(2): {IIF: 0, OIFs: mroute.OIFs{2: 5}}},
		},
		Static:  map[mroute.SG]bool{sg(2): true},
		Adopted: adopted,
	}
}

func TestFoundHeld(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		adopted, static, known bool
		foreign                []mroute.SG // of the records

		own               bool
		entries, foreigns []mroute.SG
	}{
		{"claimed anew", false, false, false, nil, false, []mroute.SG{sg(1)}, []mroute.SG{sg(2)}},
		{"adopted", true, false, false, nil, true, []mroute.SG{sg(1)}, []mroute.SG{sg(2)}},
		{"static, unknown", false, true, false, nil, false, []mroute.SG{sg(1), sg(2)}, nil},
		{"static, adopted, records lost", true, true, false, nil, true, []mroute.SG{sg(1), sg(2)}, nil},
		{"static, known", false, true, true, nil, true, []mroute.SG{sg(1), sg(2)}, nil},
		{"static, one foreign", false, true, true, []mroute.SG{sg(1), sg(9)}, true, []mroute.SG{sg(2)}, []mroute.SG{sg(1)}},
	} {
		h := found(tt.adopted).Held(tt.static, tt.known, tt.foreign)
		entries := slices.SortedFunc(maps.Keys(h.Entries), mroute.SG.Compare)
		foreign := slices.SortedFunc(maps.Keys(h.Foreign), mroute.SG.Compare)
		if h.Own != tt.own || !slices.Equal(entries, tt.entries) || !slices.Equal(foreign, tt.foreigns) || len(h.VIFs) != 4 {
			t.Errorf("%s: %+v", tt.name, h)
		}
	}
}

func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		name    string
		static  bool
		known   bool
		then    func(*kernel.Foreign)
		entries []mroute.SG // own
		vifs    []mroute.VIF
	}{
		{"all own", true, true, nil, []mroute.SG{sg(1), sg(2)}, []mroute.VIF{0, 1, 2, 3}},
		{"all unknown", true, false, nil, nil, nil},
		{"unknown, settled", true, false, func(f *kernel.Foreign) { f.Settle(nil) }, []mroute.SG{sg(1), sg(2)}, []mroute.VIF{0, 1, 2, 3}},
		{"one settled as foreign", true, true, func(f *kernel.Foreign) { f.Settle([]mroute.SG{sg(2)}) }, []mroute.SG{sg(1)}, []mroute.VIF{1, 3}},
		{"set", true, false, func(f *kernel.Foreign) {
			for _, want := range []bool{true, false} {
				if got := f.Took(&mroute.Op{Kind: mroute.SetMFC, SG: sg(1)}); got != want {
					t.Errorf("taking an entry reports %v, want %v", got, want)
				}
			}
		}, []mroute.SG{sg(1)}, nil},
		{"VIF set", true, false, func(f *kernel.Foreign) {
			f.Took(&mroute.Op{Kind: mroute.DelVIF, VIF: 3})
			f.Took(&mroute.Op{Kind: mroute.DelMFC, SG: sg(2)})
			f.Took(&mroute.Op{Kind: mroute.JoinGroup, SG: sg(1)})
		}, []mroute.SG{sg(2)}, []mroute.VIF{3}},
	} {
		f := kernel.NewForeign(found(false).Held(tt.static, tt.known, nil))
		twin := f.Clone()
		if tt.then != nil {
			tt.then(&f)
		}
		entries, vifs := f.Own(found(false).Dump)
		if !slices.Equal(entries, tt.entries) || !slices.Equal(vifs, tt.vifs) {
			t.Errorf("%s: own are %v and VIFs %v, want %v and %v", tt.name, entries, vifs, tt.entries, tt.vifs)
		}
		if len(f.Entries())+len(entries) != 2 || f.Empty() != (len(entries) == 2 && len(vifs) == 4) {
			t.Errorf("%s: foreign are %v, empty %v", tt.name, f.Entries(), f.Empty())
		}
		if want := kernel.NewForeign(found(false).Held(tt.static, tt.known, nil)); !slices.Equal(twin.Entries(), want.Entries()) {
			t.Errorf("%s: a clone has changed to %v", tt.name, twin.Entries())
		}
	}
}
