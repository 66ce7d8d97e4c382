package main

import (
	"context"
	"testing"

	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// A mirror either succeeds or ends. What was first counts.
func TestMirrorKeepsItsPromise(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var first mirror
	first.complete = true
	if err := first.asked(wire.Succeed); err != nil {
		t.Error(err)
	}
	if first.end() || first.over(ended) {
		t.Error("it ends, after it has promised not to")
	}
	var second mirror
	second.complete = true
	if !second.end() || !second.over(ended) {
		t.Error("it does not end")
	}
	if second.asked(wire.Succeed) == nil {
		t.Error("it ends, and promises not to")
	}
	// One that has lost the active keeper without a word does not end before it
	// knows that another one is active.
	var third mirror
	third.complete = true
	if third.over(ended) {
		t.Error("nobody holds anything")
	}
}
