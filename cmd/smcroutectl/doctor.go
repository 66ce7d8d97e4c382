package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor"
	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/ipc"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Exit codes of the verb doctor.
const (
	doctorBroken = 1 // something is broken
	doctorBlind  = 2 // it could not look
)

// maxObservation bounds --for.
const maxObservation = time.Hour

// examine is the verb doctor.
func examine(ctx context.Context, c *control, args []string) int {
	var o doctor.Options
	output := ""
	flags := c.flags()
	flags.StringVarP(&output, "output", "o", "", "Print as `FORMAT`: json, yaml or wide")
	flags.DurationVar(&o.For, "for", doctor.DefaultFor, "Observe packets for this `TIME`")
	words, code, goOn := c.parse(flags, args)
	if !goOn {
		if code != 0 {
			return doctorBlind
		}
		return code
	}
	o.Socket = c.socketPath()
	o.State = func(ctx context.Context) (*view.State, error) {
		// Of all sources, since what is wrong may be that packets have another one.
		return c.stateForDoctor(ctx, view.About{Group: view.NetOf(o.Group)})
	}
	format, err := draw.ParseFormat(output)
	if err == nil {
		err = pickFlow(&o, words)
	}
	switch {
	case err != nil:
	case o.For <= 0 || o.For > maxObservation:
		err = fmt.Errorf("cannot observe for %v: expected more than 0, up to %v", o.For, maxObservation)
	}
	if err != nil {
		c.complain(sentence(err))
		return doctorBlind
	}
	report, err := doctor.Examine(ctx, o)
	if err != nil {
		c.complain("Failed looking: " + err.Error())
		return doctorBlind
	}
	if err := printReport(c.stdout, &report, format); err != nil {
		c.complain("Failed writing the report: " + err.Error())
		return doctorBlind
	}
	switch {
	case report.Blind:
		return doctorBlind
	case report.Broken():
		return doctorBroken
	}
	return 0
}

// pickFlow reads GROUP [SOURCE], in any order, since only one is a group.
func pickFlow(o *doctor.Options, words []string) error {
	if len(words) > 2 {
		return fmt.Errorf("too many arguments: %q, expected GROUP and SOURCE at most", words)
	}
	for _, word := range words {
		addr, err := netip.ParseAddr(word)
		switch {
		case err != nil || addr.Zone() != "":
			return fmt.Errorf("%q is no address, expected a group or a source", word)
		case addr.IsMulticast() && !o.Group.IsValid():
			o.Group = addr
		case !addr.IsMulticast() && !o.Source.IsValid():
			o.Source = addr
		default:
			return fmt.Errorf("%q: expected one group and one source", strings.Join(words, " "))
		}
	}
	switch {
	case o.Source.IsValid() && !o.Group.IsValid():
		return fmt.Errorf("%v is no group: expected one of 224.0.0.0/4 or ff00::/8", o.Source)
	case o.Source.IsValid() && o.Source.Is4() != o.Group.Is4():
		return fmt.Errorf("%v and %v: expected a group and a source of one family", o.Group, o.Source)
	}
	return nil
}

// stateForDoctor asks the daemon. The error tells how that failed.
func (c *control) stateForDoctor(ctx context.Context, about view.About) (*view.State, error) {
	client, err := ipc.Dial(ctx, c.socketPath())
	if err != nil {
		text := strings.Join(c.noConnection(err), ": ")
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%s: %s: %w", c.socketPath(), text, fs.ErrPermission)
		}
		return nil, fmt.Errorf("%s: %s", c.socketPath(), text)
	}
	client.Close()
	s, complaints := c.state(ctx, about)
	if len(complaints) > 0 {
		return nil, errors.New(strings.Join(complaints, ": "))
	}
	return s, nil
}

func printReport(out io.Writer, r *doctor.Report, format draw.Format) error {
	text := r.Text(format == draw.Wide)
	if format == draw.JSON || format == draw.YAML {
		var err error
		if text, err = draw.Document(r, format); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, text)
	return err
}
