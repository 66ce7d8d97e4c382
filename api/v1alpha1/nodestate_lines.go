package v1alpha1

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// Each value of a custom resource costs the API server some 25 µs and 10 kB of garbage
// with each write: it is looked at for pruning, defaults, validation, comparing with
// what it was, and so on, a dozen times. So what is as it should be, which is nearly all
// of a report, is written as one string an object.

// Packed is the report as it is written: objects that are programmed are lines.
func (s MulticastNodeStateStatus) Packed() MulticastNodeStateStatus {
	s.Routes, s.ProgrammedRoutes = pack(s.Routes)
	s.Groups, s.ProgrammedGroups = pack(s.Groups)
	return s
}

// UnmarshalJSON unpacks the report: Routes and Groups are all there are, and there are
// no lines. What is no line is left out.
func (s *MulticastNodeStateStatus) UnmarshalJSON(data []byte) error {
	type plain MulticastNodeStateStatus
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	p.Routes, p.ProgrammedRoutes = unpack(p.Routes, p.ProgrammedRoutes), nil
	p.Groups, p.ProgrammedGroups = unpack(p.Groups, p.ProgrammedGroups), nil
	*s = MulticastNodeStateStatus(p)
	return nil
}

// pack makes lines of those that can be one.
func pack(all []ObjectState) (others []ObjectState, lines []string) {
	var b []byte
	for i := range all {
		var ok bool
		if b, ok = all[i].appendLine(b[:0]); ok {
			lines = append(lines, string(b))
		} else {
			others = append(others, all[i])
		}
	}
	return others, lines
}

// unpack adds the objects of lines to others.
func unpack(others []ObjectState, lines []string) []ObjectState {
	if len(lines) == 0 {
		return others
	}
	all := make([]ObjectState, 0, len(others)+len(lines))
	for _, line := range lines {
		if o, ok := parseLine(line); ok {
			all = append(all, o)
		}
	}
	return append(all, others...)
}

// The words of a line, KEY=VALUE, after the NAMESPACE/NAME that it begins with. What is
// zero is left out, but flows, which is there if the object has counters.
const (
	keyUID        = "uid"
	keyGeneration = "generation"
	keyPackets    = "packets"
	keyBytes      = "bytes"
	keyWrong      = "wrongInterface"
	keyFlows      = "flows"
	keyUpdated    = "updated"
	keyFlow       = "flow" // SOURCE,GROUP,FROM,PACKETS and the outputs
)

// appendLine appends the object as a line, if it is programmed, nothing has to be said
// about it, and no name in it is in the way: that of an interface may have a comma.
func (o *ObjectState) appendLine(b []byte) (line []byte, ok bool) {
	if o.Reason != ReasonProgrammed || o.Message != "" || !isWord(o.Namespace, " /") || !isWord(o.Name, " /") || o.UID != "" && !isWord(o.UID, " ") {
		return b, false
	}
	b = append(append(append(b, o.Namespace...), '/'), o.Name...)
	number := func(key string, n int64) {
		if n != 0 || key == keyFlows {
			b = strconv.AppendInt(append(append(append(b, ' '), key...), '='), n, 10)
		}
	}
	if o.UID != "" {
		b = append(append(b, ' '), keyUID+"="+o.UID...)
	}
	number(keyGeneration, o.Generation)
	if c := o.Counters; c != nil {
		number(keyPackets, c.Packets)
		number(keyBytes, c.Bytes)
		number(keyWrong, c.WrongInterface)
		number(keyFlows, c.Flows)
		if c.LastUpdateTime != nil {
			b = c.LastUpdateTime.UTC().AppendFormat(append(b, " "+keyUpdated+"="...), time.RFC3339)
		}
	}
	for i := range o.Flows {
		f := &o.Flows[i]
		b = append(b, " "+keyFlow+"="...)
		for _, s := range []string{f.Source, f.Group, f.From} {
			if ok = isWord(s, " ,"); !ok {
				return b, false
			}
			b = append(append(b, s...), ',')
		}
		b = strconv.AppendInt(b, f.Packets, 10)
		for _, s := range f.To {
			if !isWord(s, " ,") {
				return b, false
			}
			b = append(append(b, ','), s...)
		}
	}
	return b, true
}

// isWord reports whether s is not empty and has none of these characters.
func isWord(s, none string) bool { return s != "" && !strings.ContainsAny(s, none) }

// parseLine is the object of a line. Words that it does not know are left out: those of
// a later version.
func parseLine(line string) (o ObjectState, ok bool) {
	words := strings.Split(line, " ")
	o.Namespace, o.Name, ok = strings.Cut(words[0], "/")
	if !ok || o.Namespace == "" || !isWord(o.Name, "/") {
		return ObjectState{}, false
	}
	o.Reason = ReasonProgrammed
	var c Counters
	counted := false
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		number := func() int64 {
			n, err := strconv.ParseInt(value, 10, 64)
			ok = ok && err == nil
			return n
		}
		switch key {
		case keyUID:
			o.UID = value
		case keyGeneration:
			o.Generation = number()
		case keyPackets:
			c.Packets, counted = number(), true
		case keyBytes:
			c.Bytes, counted = number(), true
		case keyWrong:
			c.WrongInterface, counted = number(), true
		case keyFlows:
			c.Flows, counted = number(), true
		case keyUpdated:
			t, err := time.Parse(time.RFC3339, value)
			ok = ok && err == nil
			c.LastUpdateTime, counted = &metav1.Time{Time: t.Local()}, true
		case keyFlow:
			parts := strings.Split(value, ",")
			if len(parts) < 4 {
				return ObjectState{}, false
			}
			value = parts[3]
			o.Flows = append(o.Flows, Flow{Source: parts[0], Group: parts[1], From: parts[2], Packets: number(), To: parts[4:len(parts):len(parts)]})
		}
	}
	if !ok {
		return ObjectState{}, false
	}
	if counted {
		o.Counters = &c
	}
	return o, true
}
