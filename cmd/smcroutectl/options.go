package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/smcroute/kube-smcroute/cmd/internal/install"
	"github.com/spf13/pflag"
)

// options are what the command line says besides the command.
type options struct {
	batch, detail, help, json, plain, noHeadings, version bool

	ident      string
	socket     string
	socketSaid bool // with -u
}

// socketPath is where the daemon listens.
func (o *options) socketPath() string {
	if o.socketSaid {
		return o.socket
	}
	return install.SocketPath(o.ident)
}

// parse reads the command line. Options may stand anywhere, also behind the
// command, and be clustered; "--" ends them. It returns the other words. What is
// behind a verb is for the verb to read.
func (o *options) parse(args []string) ([]string, error) {
	before := options{}
	if words, err := before.read(args, false); err == nil && len(words) > 0 && !before.help && !before.version {
		if cmd, err := findCommand(words[0]); err == nil && cmd.run != nil {
			*o = before
			return words, nil
		}
	}
	return o.read(args, true)
}

// read reads options, those behind the command only if anywhere is true.
func (o *options) read(args []string, anywhere bool) ([]string, error) {
	fs := pflag.NewFlagSet(program, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.SetInterspersed(anywhere)
	fs.BoolVarP(&o.batch, "batch", "b", false, "")
	fs.BoolVarP(&o.detail, "detail", "d", false, "")
	fs.BoolVarP(&o.help, "help", "h", false, "")
	fs.StringVarP(&o.ident, "ident", "i", install.Ident, "")
	fs.StringVarP(&o.ident, "instance", "I", install.Ident, "") // the old spelling
	fs.BoolVarP(&o.json, "json", "j", false, "")
	fs.BoolVarP(&o.plain, "plain", "p", false, "")
	fs.BoolVarP(&o.noHeadings, "no-headings", "t", false, "")
	fs.StringVarP(&o.socket, "socket", "u", "", "")
	fs.BoolVarP(&o.version, "version", "v", false, "")

	if err := fs.Parse(hideNumbers(args)); err != nil {
		return nil, complaint(err)
	}
	o.socketSaid = fs.Changed("socket")
	o.ident, o.socket = showNumber(o.ident), showNumber(o.socket)
	words := fs.Args()
	for i := range words {
		words[i] = showNumber(words[i])
	}
	return words, nil
}

// hiding marks words that look like an option and are none. No argument of a
// program can hold it.
const hiding = "\x00"

// hideNumbers marks negative numbers: as no option is a digit, they are words.
func hideNumbers(args []string) []string {
	hidden := make([]string, len(args))
	for i, a := range args {
		if len(a) > 1 && a[0] == '-' && '0' <= a[1] && a[1] <= '9' {
			a = hiding + a
		}
		hidden[i] = a
	}
	return hidden
}

func showNumber(word string) string { return strings.TrimPrefix(word, hiding) }

// complaint puts pflag's error into words for people who know getopt's.
func complaint(err error) error {
	dashed := func(name, cluster string) string {
		if cluster != "" {
			return "-" + name
		}
		return "--" + name
	}
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("unknown option %s", dashed(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &missing):
		return fmt.Errorf("option %s needs an argument", dashed(missing.GetSpecifiedName(), missing.GetSpecifiedShortnames()))
	}
	return err
}
