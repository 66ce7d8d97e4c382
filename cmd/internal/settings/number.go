package settings

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// number is the value of an option: a whole number, from 0 to max.
type number struct {
	p   *uint32
	max uint32
}

// UpTo returns the value of an option that is a whole number from 0 to limit. What p
// points to is its default.
func UpTo(p *uint32, limit uint32) pflag.Value { return &number{p, limit} }

func (n *number) String() string { return strconv.FormatUint(uint64(*n.p), 10) }
func (n *number) Type() string   { return "uint32" }

func (n *number) Set(text string) error {
	v, err := strconv.ParseUint(text, 0, 32)
	if err != nil || v > uint64(n.max) {
		return errorf("expected %s", n.expected())
	}
	*n.p = uint32(v)
	return nil
}

func (n *number) expected() string { return fmt.Sprintf("a whole number from 0 to %d", n.max) }
