package page

import "time"

// Document is what the page shows at one time.
type Document struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Gap     float64   `json:"gap"` // seconds until there is another
	Program string    `json:"program"`
	Version string    `json:"version"`
	Host    string    `json:"host"`
	Doctor  bool      `json:"doctor"` // whether there are findings

	Routers []string `json:"routers"` // names of all
	Router  string   `json:"router"`  // whose the rest is
	Error   string   `json:"error,omitempty"`

	Totals  Totals `json:"totals"`
	Rows    []Row  `json:"rows"`
	Omitted int    `json:"omitted"` // rows that are wanted, and left out
	Links   []Link `json:"links"`
}

// document is what a query is answered with, of one router of a reading.
func document(r *reading, of *router, q query) *Document {
	t := of.table
	d := &Document{Seq: r.seq, Gap: seconds(r.gap), Router: of.name, Totals: t.total, Links: append([]Link{}, t.links...)}
	for _, one := range r.routers {
		d.Routers = append(d.Routers, one.name)
	}
	d.Time = of.at
	if of.err != nil {
		d.Error = of.err.Error()
	}
	d.Rows, d.Omitted = t.choose(q)
	return d
}
