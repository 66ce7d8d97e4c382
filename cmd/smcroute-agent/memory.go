package main

import (
	"os"
	"runtime/debug"
)

// thriftyGC is the default of $GOGC here. There is an agent on every node, idle
// most of the time: less memory is worth some more collections.
const thriftyGC = 25

func thrift() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(thriftyGC)
	}
}
