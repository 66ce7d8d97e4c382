package view

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

func appendRule(b []byte, r *Rule) []byte {
	b = appendPair(b, r.Source, r.Group)
	if len(r.Except) > 0 {
		b = appendList(append(b, `,"except":`...), r.Except, func(b []byte, n *Net) []byte { return appendNet(b, *n) })
	}
	b = appendString(append(b, `,"iif":`...), r.IIF)
	b = appendStrings(append(b, `,"oifs":`...), r.OIFs)
	b = appendOrigin(append(b, `,"origin":`...), &r.Origin)
	return appendTraffic(b, &r.Traffic)
}

func appendFlow(b []byte, f *Flow) []byte {
	b = appendPair(b, f.Source, f.Group)
	b = appendString(append(b, `,"kind":`...), string(f.Kind))
	if f.IIF != "" {
		b = appendString(append(b, `,"iif":`...), f.IIF)
	}
	b = appendStrings(append(b, `,"oifs":`...), f.OIFs)
	if f.Refused {
		b = append(b, `,"refused":true`...)
	}
	if f.Adopted {
		b = append(b, `,"adopted":true`...)
	}
	if f.Table != 0 {
		b = strconv.AppendUint(append(b, `,"table":`...), uint64(f.Table), 10)
	}
	if len(f.Origins) > 0 {
		b = appendList(append(b, `,"origins":`...), f.Origins, appendOrigin)
	}
	return appendTraffic(b, &f.Traffic)
}

// appendPair begins an object.
func appendPair(b []byte, source, group Net) []byte {
	b = append(b, '{')
	if !source.IsZero() {
		b = append(appendNet(append(b, `"source":`...), source), ',')
	}
	return appendNet(append(b, `"group":`...), group)
}

func appendNet(b []byte, n Net) []byte {
	b = append(b, '"')
	switch {
	case n.IsSingleIP():
		b = n.Addr().AppendTo(b)
	case n.IsValid():
		b = n.AppendTo(b)
	}
	return append(b, '"')
}

func appendOrigin(b []byte, o *Origin) []byte {
	b = appendString(append(b, `{"ref":`...), o.Ref)
	if o.Line != 0 {
		b = strconv.AppendInt(append(b, `,"line":`...), int64(o.Line), 10)
	}
	if o.Generation != 0 {
		b = strconv.AppendInt(append(b, `,"generation":`...), o.Generation, 10)
	}
	return append(b, '}')
}

// appendTraffic ends an object.
func appendTraffic(b []byte, t *Traffic) []byte {
	b = strconv.AppendUint(append(b, `,"packets":`...), t.Packets, 10)
	b = strconv.AppendUint(append(b, `,"bytes":`...), t.Bytes, 10)
	b = strconv.AppendUint(append(b, `,"wrong_if":`...), t.WrongIf, 10)
	b = appendSeconds(append(b, `,"age":`...), t.Age)
	b = appendSeconds(append(b, `,"idle":`...), t.Idle)
	return append(b, '}')
}

func appendSeconds(b []byte, s Seconds) []byte {
	if s < 0 {
		return append(b, "null"...)
	}
	ms := time.Duration(s).Milliseconds()
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms > 0 {
		digits := [4]byte{'.', byte('0' + ms/100), byte('0' + ms/10%10), byte('0' + ms%10)}
		b = append(b, bytes.TrimRight(digits[:], "0")...)
	}
	return b
}

// appendStrings appends a list that is never null.
func appendStrings(b []byte, all []string) []byte {
	if all == nil {
		return append(b, "[]"...)
	}
	return appendList(b, all, func(b []byte, s *string) []byte { return appendString(b, *s) })
}

// appendString leaves what has to be escaped to the library.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			text, _ := json.Marshal(s) // a string is always good
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func appendList[T any](b []byte, all []T, one func([]byte, *T) []byte) []byte {
	if all == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, &all[i])
	}
	return append(b, ']')
}
