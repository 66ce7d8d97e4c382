package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are what the command line says.
type options struct {
	command string // send or recv
	groups  []netip.Addr
	link    *net.Interface // nil: the routes decide

	port     uint16
	count    uint64        // 0: endless
	duration time.Duration // 0: endless
	json     bool

	sources []netip.Addr // recv

	ttl  int // send, and all below
	rate int // packets a second
	size int // bytes of payload

	help, version bool
}

// Limits of options.
const (
	maxRate = 1_000_000
	maxSize = 65_507 // what IPv4 has room for beside its header and that of UDP
)

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// parse reads the command line. An error is a *usageError, but for an interface
// that there is not.
func parse(args []string) (*options, error) {
	o := &options{}
	var link, format string
	var sources []string
	set := pflag.NewFlagSet(program, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVarP(&link, "interface", "i", "", "")
	set.Uint16VarP(&o.port, "port", "p", 5004, "")
	set.Uint64VarP(&o.count, "count", "n", 0, "")
	set.DurationVarP(&o.duration, "duration", "d", 0, "")
	set.StringVarP(&format, "output", "o", "text", "")
	set.BoolVarP(&o.help, "help", "h", false, "")
	set.BoolVarP(&o.version, "version", "v", false, "")
	set.StringSliceVar(&sources, "source", nil, "")
	set.IntVarP(&o.ttl, "ttl", "t", 64, "")
	set.IntVarP(&o.rate, "rate", "r", 10, "")
	set.IntVarP(&o.size, "size", "s", 64, "")
	if err := set.Parse(args); err != nil {
		return o, &usageError{err.Error()}
	}
	if o.help || o.version {
		return o, nil
	}
	if set.NArg() == 0 {
		return o, usagef("expected a command: send or recv")
	}
	o.command = set.Arg(0)
	switch o.command {
	case "send":
		if set.Changed("source") {
			return o, usagef("--source is for recv: what is sent has the address of the interface")
		}
	case "recv":
		for _, name := range []string{"ttl", "rate", "size"} {
			if set.Changed(name) {
				return o, usagef("--%s is for send", name)
			}
		}
	default:
		return o, usagef("unknown command %q: expected send or recv", o.command)
	}
	switch format {
	case "text", "json":
		o.json = format == "json"
	default:
		return o, usagef("--output %s: expected text or json", format)
	}
	if err := o.check(); err != nil {
		return o, err
	}
	if err := o.parseAddresses(set.Args()[1:], sources); err != nil {
		return o, err
	}
	if link != "" {
		var err error
		if o.link, err = net.InterfaceByName(link); err != nil {
			return o, fmt.Errorf("there is no interface %s here: %w", link, cause(err))
		}
	}
	return o, nil
}

// check looks at numbers.
func (o *options) check() error {
	switch {
	case o.port == 0:
		return usagef("--port 0: expected 1 to 65535")
	case o.duration < 0:
		return usagef("--duration %v: expected 0s or more", o.duration)
	case o.ttl < 0 || o.ttl > 255:
		return usagef("--ttl %d: expected 0 to 255", o.ttl)
	case o.rate < 1 || o.rate > maxRate:
		return usagef("--rate %d: expected 1 to %d packets a second", o.rate, maxRate)
	case o.size < headerSize || o.size > maxSize:
		return usagef("--size %d: expected %d to %d bytes", o.size, headerSize, maxSize)
	}
	return nil
}

// parseAddresses reads groups and sources.
func (o *options) parseAddresses(groups, sources []string) error {
	if len(groups) == 0 {
		return usagef("%s: expected a group, as in 239.1.2.3 or ff0e::42", o.command)
	}
	for _, s := range groups {
		group, err := netip.ParseAddr(s)
		if err != nil || !group.IsMulticast() || group.Zone() != "" || group.Is4In6() {
			return usagef("%s is not a multicast group: expected one as in 239.1.2.3 or ff0e::42", s)
		}
		if slices.Contains(o.groups, group) {
			return usagef("the group %v is there twice", group) // and would be counted twice
		}
		o.groups = append(o.groups, group)
	}
	for _, s := range sources {
		source, err := netip.ParseAddr(s)
		if err != nil || source.IsMulticast() || source.IsUnspecified() || source.Zone() != "" || source.Is4In6() {
			return usagef("--source %s is not the address of a source", s)
		}
		o.sources = append(o.sources, source)
	}
	for _, group := range o.groups {
		if len(o.sources) > 0 && len(o.sourcesOf(group)) == 0 {
			return usagef("%v has no --source of its family", group)
		}
	}
	return nil
}

// sourcesOf lists the sources of a group's family.
func (o *options) sourcesOf(group netip.Addr) (sources []netip.Addr) {
	for _, s := range o.sources {
		if s.Is4() == group.Is4() {
			sources = append(sources, s)
		}
	}
	return sources
}

// where names the interface, for messages.
func (o *options) where() string {
	if o.link == nil {
		return ""
	}
	return " on " + o.link.Name
}

// cause leaves out what packages net and os say around an error of the system.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
