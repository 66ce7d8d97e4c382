package doctor

import (
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attribute is the value of a netlink attribute. What is too short is zero.
type attribute []byte

func (a attribute) uint32() uint32 {
	if len(a) < 4 {
		return 0
	}
	return nl.NativeEndian().Uint32(a)
}

func (a attribute) bool() bool { return len(a) > 0 && a[0] != 0 }

// text is a string that ends with a NUL.
func (a attribute) text() string {
	text, _, _ := strings.Cut(string(a), "\x00")
	return text
}

// nested are the attributes inside, by type, the last of each; none if they make
// no sense.
func (a attribute) nested() map[uint16]attribute {
	inside := map[uint16]attribute{}
	for _, i := range a.list() {
		inside[i.kind] = i.value
	}
	return inside
}

type typed struct {
	kind  uint16
	value attribute
}

// list are the attributes inside, in order; none if they make no sense.
func (a attribute) list() (inside []typed) {
	// The library panics at a last attribute that is not padded.
	padding := make([]byte, -len(a)&(unix.RTA_ALIGNTO-1))
	attrs, err := nl.ParseRouteAttr(append(a[:len(a):len(a)], padding...))
	if err != nil {
		return nil
	}
	for _, i := range attrs {
		inside = append(inside, typed{i.Attr.Type &^ unix.NLA_F_NESTED, i.Value})
	}
	return inside
}
