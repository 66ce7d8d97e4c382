package page

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// How many rows a document has unless it is asked for another number, and at most.
const (
	defaultTop = 200
	maxTop     = 1000
)

// maxText is how long a filter may be, in bytes.
const maxText = 200

// query is what a browser asks for.
type query struct {
	router string // "": the first
	text   string // in lower case; rows that contain it. "": all
	state  State  // "": all
	top    int
	after  uint64 // number of the document that it has
}

func parseQuery(v url.Values) (q query, err error) {
	q = query{router: v.Get("router"), text: strings.ToLower(strings.TrimSpace(v.Get("q"))), state: State(v.Get("state")), top: defaultTop}
	if len(q.text) > maxText {
		return q, fmt.Errorf("q: expected at most %d bytes", maxText)
	}
	if s := v.Get("top"); s != "" {
		if q.top, err = strconv.Atoi(s); err != nil || q.top < 1 || q.top > maxTop {
			return q, fmt.Errorf("top: %q is no number of rows: expected 1 to %d", s, maxTop)
		}
	}
	if s := v.Get("after"); s != "" {
		if q.after, err = strconv.ParseUint(s, 10, 64); err != nil {
			return q, fmt.Errorf("after: %q is not the number of a document", s)
		}
	}
	return q, nil
}
