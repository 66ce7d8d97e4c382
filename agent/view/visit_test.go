package view

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What a visit is given, some at a time, are the rules and flows of the whole.
func TestVisit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap := anySnapshot(t)
		text := func(v any) string {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		var got, want []string
		whole := From(snap)
		for i := range whole.Rules {
			want = append(want, text(whole.Rules[i]))
		}
		for i := range whole.Flows {
			want = append(want, text(whole.Flows[i]))
		}
		asked := Visit{
			Rules: func(_ time.Time, rules []Rule) {
				for i := range rules {
					got = append(got, text(rules[i]))
				}
			},
			Flows: func(_ time.Time, flows []Flow) {
				for i := range flows {
					got = append(got, text(flows[i]))
				}
			},
		}.Survey()
		atATime := rapid.IntRange(1, 3).Draw(t, "at a time")
		for some := range slices.Chunk(snap.Rules, atATime) {
			asked.Rules(snap.Time, some)
		}
		for some := range slices.Chunk(snap.Entries, atATime) {
			asked.Entries(snap.Time, some)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}
