package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// nothing waits until nothing of the service is left in the kernel. The manager
// closes what it held aside.
func (m *machine) nothing(table uint32) {
	m.t.Helper()
	var left []string
	if !netlab.Poll(deadline, func() bool { left = m.left(table); return left == nil }) {
		m.t.Errorf("left in the kernel: %q", left)
	}
}

func (m *machine) left(table uint32) (left []string) {
	for _, link := range []string{"in", "out"} {
		if joined := m.ns.Memberships(link); len(joined) > 0 {
			left = append(left, fmt.Sprintf("%d groups on %s, such as %v", len(joined), link, joined[0]))
		}
	}
	return append(left, m.entries(table)...)
}

// entries tells what a table holds, or who holds it.
func (m *machine) entries(table uint32) (left []string) {
	k, err := linux.Open(linux.Options{NetNS: m.ns.Path(), Table: table})
	if err != nil {
		return []string{err.Error()}
	}
	defer k.Close()
	for _, f := range mroute.Families {
		if err := k.FamilyErr(f); err != nil {
			left = append(left, err.Error())
		} else if held := k.Held(f); !held.Empty() {
			left = append(left, fmt.Sprintf("in the %v table: %+v", f, held))
		}
	}
	return left
}

// foreign is another program that leaves an entry in table 0. The function
// returned has it come back, and remove it.
func (m *machine) foreign(sg mroute.SG) (forget func()) {
	m.t.Helper()
	store, f := keep.NewMemory(), mroute.FamilyOf(sg.Group)
	records := keep.NewRecords(filepath.Join(m.t.TempDir(), "records"))
	open := func() *linux.Kernel {
		k, err := linux.Open(linux.Options{NetNS: m.ns.Path(), Keep: &keep.Keeping{Store: store, Static: true, Records: records}})
		if err != nil {
			m.t.Fatal(err)
		}
		return k
	}
	k := open()
	entry := mroute.Entry{IIF: 30}
	entry.OIFs[29] = 1
	errs := k.Apply([]mroute.Op{
		{Kind: mroute.AddVIF, Family: f, VIF: 30, Link: mroute.LinkRef{Name: "in", Index: m.ns.Index("in")}},
		{Kind: mroute.AddVIF, Family: f, VIF: 29, Link: mroute.LinkRef{Name: "out", Index: m.ns.Index("out")}},
		{Kind: mroute.SetMFC, Family: f, SG: sg, Entry: entry},
	})
	if err := errors.Join(append(errs, k.Detach())...); err != nil {
		m.t.Fatal(err)
	}
	for _, name := range store.Names() {
		store.Drop(name)
	}
	return func() {
		if err := open().Close(); err != nil {
			m.t.Error(err)
		}
	}
}

// counters are the packets of each flow that the kernel forwards, as smcroutectl
// shows them.
func (m *machine) counters() map[string]*uint64 {
	out, err := m.run("/usr/local/sbin/smcroutectl", "-j", "show", "routes")
	if err != nil {
		return nil // there is no daemon now
	}
	var shown struct {
		Routes struct {
			Kernel []struct {
				Source, Group string
				OIFs          []string
				Packets       uint64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		m.t.Fatalf("smcroutectl -j: %v\n%s", err, out)
	}
	counters := map[string]*uint64{}
	for _, e := range shown.Routes.Kernel {
		if len(e.OIFs) > 0 {
			counters[fmt.Sprintf("(%s, %s)", e.Source, e.Group)] = &e.Packets
		}
	}
	return counters
}
