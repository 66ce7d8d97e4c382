package conf

import "github.com/smcroute/kube-smcroute/agent/mroute"

// LayerName is the Name of the Layer that [Parse] returns.
const LayerName = "file"

// Limits that keep a small file from asking for very much.
const (
	// MaxJoins is how many single joins, sources times groups, one mgroup line
	// may stand for.
	MaxJoins = 1 << 16
	// MaxIncludeDepth is how deep include may nest below the first file.
	MaxIncludeDepth = 64
)

// Options change how a file is read.
type Options struct {
	// DefaultDisable is smcrouted's -N: a phyint line with neither enable nor
	// disable means disable.
	DefaultDisable bool

	// Include lists the files that a glob pattern names, in order. It alone
	// knows what a relative pattern is relative to. A file has the same Name
	// each time, which is how a cycle is found. If nil, include is an error.
	Include func(pattern string) ([]Source, error)
}

// Source is a file.
type Source struct {
	Name string // for messages and [mroute.Origin]
	Text string // not kept, nor any part of it
}

// Parse reads src and the files that it includes. The Layer is called
// [LayerName], has FirstMatch set, and holds every line that had no error, also
// if others had: nothing in a file is fatal. Origins are numbered from 1 in the
// order of reading, over phyints, routes and joins together.
//
// Diagnostics are in order of reading. Parse never fails otherwise.
func Parse(src Source, opt Options) (mroute.Layer, []Diagnostic) {
	p := parser{
		opt:   opt,
		layer: mroute.Layer{Name: LayerName, FirstMatch: true},
	}
	p.file(src)
	return p.layer, p.diagnostics
}
