package view

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

func TestDocument(t *testing.T) {
	group := netip.MustParseAddr("232.1.1.1")
	any := mroute.MatchSG(mroute.SG{Group: group})
	one := mroute.SG{Source: netip.MustParseAddr("10.0.0.1"), Group: group}
	at := mroute.Origin{Ref: "/etc/smcroute.conf", Line: 3}
	got, err := json.MarshalIndent(From(&mroute.Snapshot{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Rules: []mroute.RuleView{{
			Match: any, Except: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, IIF: "eth0", OIFs: []string{"eth1"}, Origin: at,
			Counters: mroute.Counters{Idle: -1},
		}},
		Entries: []mroute.EntryView{{
			SG: one, Kind: mroute.Learned, IIF: "eth0", OIFs: []string{"eth1"}, Origins: []mroute.Origin{at},
			Counters: mroute.Counters{Packets: 5, Bytes: 50, WrongIf: 1, Idle: 1500 * time.Millisecond}, Age: time.Minute,
		}},
		Links: []mroute.LinkView{
			{Link: mroute.Link{Index: 2, Name: "eth0", Up: true, Multicast: true}, VIF: 0, MIF: mroute.NoVIF},
		},
		Pending: []mroute.PendingView{{
			Kind: mroute.PendingRoute, From: mroute.Pinned("cali7", 17), Match: any, To: []mroute.IfPattern{"eth9"},
			Cause: mroute.CauseNoInterface, Reason: "no interface eth9", Origin: at,
		}},
		Flows: mroute.FlowCounts{Learned: 1, Limit: 16},
		Sizes: mroute.Sizes{Rules: 2, Entries: 1},
	}), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "version": "",
 "table": 0,
 "rules": [
  {
   "group": "232.1.1.1",
   "except": [
    "10.9.0.0/16"
   ],
   "iif": "eth0",
   "oifs": [
    "eth1"
   ],
   "origin": {
    "ref": "/etc/smcroute.conf",
    "line": 3
   },
   "packets": 0,
   "bytes": 0,
   "wrong_if": 0,
   "age": null,
   "idle": null
  }
 ],
 "flows": [
  {
   "source": "10.0.0.1",
   "group": "232.1.1.1",
   "kind": "learned",
   "iif": "eth0",
   "oifs": [
    "eth1"
   ],
   "origins": [
    {
     "ref": "/etc/smcroute.conf",
     "line": 3
    }
   ],
   "packets": 5,
   "bytes": 50,
   "wrong_if": 1,
   "age": 60,
   "idle": 1.5
  }
 ],
 "time": "2026-01-02T03:04:05Z",
 "foreign": [],
 "groups": [],
 "joined": [],
 "links": [
  {
   "index": 2,
   "name": "eth0",
   "up": true,
   "multicast": true,
   "vif": 0,
   "mif": null
  }
 ],
 "pending": [
  {
   "kind": "mroute",
   "group": "232.1.1.1",
   "iif": "cali7",
   "oifs": [
    "eth9"
   ],
   "cause": "no_interface",
   "reason": "no interface eth9",
   "origin": {
    "ref": "/etc/smcroute.conf",
    "line": 3
   }
  }
 ],
 "tables": [],
 "counts": {
  "learned": 1,
  "stopped": 0,
  "limit": 16,
  "evicted": 0,
  "refused": 0,
  "full": false
 },
 "limits": [],
 "sizes": {
  "rules": 2,
  "flows": 1
 }
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var back State
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(&back, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(again)); diff != "" {
		t.Errorf("read and written again: %s", diff)
	}
}

func TestSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Seconds(time.Duration(rapid.Int64Range(-1, 1<<42).Draw(t, "ms")) * time.Millisecond)
		text, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Seconds
		if err := back.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		if back != s && (s >= 0 || back >= 0) {
			t.Fatalf("%d ns is read as %d from %s", s, back, text)
		}
	})
}

// Documents come from other programs: hostile ones must do no harm.
func FuzzState(f *testing.F) {
	f.Add(`{"version":"1","rules":[{"group":"ff02::/16","idle":1e99}]}`)
	f.Add(`{"flows":[{"source":"10.0.0.1","group":"232.0.0.0/8","oifs":null,"idle":null}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s State
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		if _, err := json.Marshal(&s); err != nil {
			t.Fatal(err)
		}
	})
}
