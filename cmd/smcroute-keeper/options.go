package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

// options are those of smcroute-keeper(8).
type options struct {
	verb       string // "", check or stop
	socket     string // absolute
	keepRoutes bool
	patience   time.Duration
	daemon     bool
	force      bool // of stop

	help, version bool
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet(program, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.socket, "socket", install.SocketPath(program), "")
	f.BoolVar(&o.keepRoutes, "keep-routes", false, "")
	f.DurationVar(&o.patience, "patience", 8*time.Second, "")
	f.BoolVar(&o.daemon, "daemon", false, "")
	f.BoolVar(&o.force, "force", false, "")
	f.BoolVar(&o.help, "h", false, "")
	f.BoolVar(&o.help, "help", false, "")
	f.BoolVar(&o.version, "v", false, "")
	f.BoolVar(&o.version, "version", false, "")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if rest := f.Args(); len(rest) > 0 {
		o.verb = rest[0]
		if err := f.Parse(rest[1:]); err != nil { // options may be behind it
			return nil, err
		}
	}
	if o.help || o.version {
		return o, nil
	}
	return o, o.complete(f)
}

func (o *options) complete(f *flag.FlagSet) (err error) {
	switch o.verb {
	case "":
		if o.force {
			err = errors.New("--force is an option of stop alone")
		}
	case "check", "stop":
		f.Visit(func(set *flag.Flag) {
			if set.Name != "socket" && (o.verb != "stop" || set.Name != "force") {
				err = fmt.Errorf("%s has no option --%s", o.verb, set.Name)
			}
		})
	default:
		err = fmt.Errorf("%q is no command: expected check or stop, or none", o.verb)
	}
	switch {
	case err != nil:
		return err
	case f.NArg() > 0:
		return fmt.Errorf("%q is one argument too many", f.Arg(0))
	case o.socket == "":
		return errors.New("--socket is empty")
	case o.patience < 0:
		return fmt.Errorf("--patience is %v: expected 0s or more", o.patience)
	}
	if o.socket, err = filepath.Abs(o.socket); err != nil {
		return err
	}
	// The name of a socket has this limit, and one with another letter is needed.
	if most := 106; len(o.socket) > most {
		return fmt.Errorf("--socket has %d bytes: expected %d at most", len(o.socket), most)
	}
	return nil
}
