package status

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

const (
	// maxReport is the size of a report in bytes of JSON, which is how the API
	// server keeps it. etcd takes 1.5 MiB, with metadata.
	maxReport = 1200 << 10
	// maxMessage is the length of an object's message in a report, in bytes, and
	// shortMessage that in one that is too large.
	maxMessage, shortMessage = 512, 80
)

// shorten cuts a message to n bytes.
func shorten(message string, n int) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= n {
		return message
	}
	const dots = "..."
	cut := n - len(dots)
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + dots
}

// fit leaves out what is least missed until a report is no larger than limit:
// flows, the ends of long messages, times of counters, counters, messages, and
// at last whole objects, each of them from the end and no more than needed.
func fit(s *v1alpha1.MulticastNodeStateStatus, limit int) {
	states := make([]*v1alpha1.ObjectState, 0, len(s.Routes)+len(s.Groups))
	for i := range s.Routes {
		states = append(states, &s.Routes[i])
	}
	for i := range s.Groups {
		states = append(states, &s.Groups[i])
	}
	const around = 1 << 10 // the report without its objects
	size := around
	sizes := make([]int, len(states))
	for i, o := range states {
		sizes[i] = sizeOf(o)
		size += sizes[i]
	}
	for _, leaveOut := range []func(*v1alpha1.ObjectState){
		func(o *v1alpha1.ObjectState) { o.Flows = nil },
		func(o *v1alpha1.ObjectState) { o.Message = shorten(o.Message, shortMessage) },
		func(o *v1alpha1.ObjectState) {
			if o.Counters != nil {
				o.Counters.LastUpdateTime = nil
			}
		},
		func(o *v1alpha1.ObjectState) { o.Counters = nil },
		func(o *v1alpha1.ObjectState) { o.Message = "" },
	} {
		for i := len(states) - 1; i >= 0 && size > limit; i-- {
			leaveOut(states[i])
			now := sizeOf(states[i])
			size -= sizes[i] - now
			sizes[i] = now
		}
	}
	for i := len(states) - 1; i >= 0 && size > limit; i-- {
		size -= sizes[i]
		if n := len(s.Groups); n > 0 {
			s.Groups = s.Groups[:n-1]
		} else {
			s.Routes = s.Routes[:len(s.Routes)-1]
		}
	}
}

// sizeOf is that of an object in JSON, with what stands between two.
func sizeOf(o *v1alpha1.ObjectState) int {
	text, err := json.Marshal(o)
	if err != nil {
		return 0 // there is nothing in it that could fail
	}
	return len(text) + len(",")
}
