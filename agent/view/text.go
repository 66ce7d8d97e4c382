package view

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Net is an address or a prefix, without its length if that is the full one.
// The zero value stands for any source.
type Net struct{ netip.Prefix }

// NetOf is one address, or any source if a is the zero Addr.
func NetOf(a netip.Addr) Net {
	if !a.IsValid() {
		return Net{}
	}
	return Net{netip.PrefixFrom(a, a.BitLen())}
}

// IsZero reports whether n is any source.
func (n Net) IsZero() bool { return !n.IsValid() }

// String returns "*" for any.
func (n Net) String() string { return mroute.FormatPrefix(n.Prefix) }

// MarshalText implements [encoding.TextMarshaler].
func (n Net) MarshalText() ([]byte, error) {
	if n.IsSingleIP() {
		return n.Addr().MarshalText()
	}
	return n.Prefix.MarshalText()
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *Net) UnmarshalText(text []byte) error {
	var a netip.Addr
	if err := a.UnmarshalText(text); err == nil && a.IsValid() {
		*n = NetOf(a)
		return nil
	}
	if err := n.Prefix.UnmarshalText(text); err != nil {
		return fmt.Errorf("%q is neither an address nor a prefix", text)
	}
	return nil
}

// Seconds is a time, in JSON a number of seconds with at most three decimals, or
// null if it is negative: unknown.
type Seconds time.Duration

// Known reports whether s is not negative, and s.
func (s Seconds) Known() (time.Duration, bool) { return time.Duration(s), s >= 0 }

// MarshalJSON implements [json.Marshaler].
func (s Seconds) MarshalJSON() ([]byte, error) {
	if s < 0 {
		return []byte("null"), nil
	}
	return json.Marshal(float64(time.Duration(s).Milliseconds()) / 1000)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Seconds) UnmarshalJSON(text []byte) error {
	*s = -1
	var f *float64
	if err := json.Unmarshal(text, &f); err != nil || f == nil {
		return err
	}
	const most = 1 << 33 // seconds: as much as a duration holds
	if *f < 0 || *f > most {
		return fmt.Errorf("%s is not a number of seconds, 0 to %d", text, most)
	}
	*s = Seconds(time.Duration(*f*1000+0.5) * time.Millisecond)
	return nil
}
