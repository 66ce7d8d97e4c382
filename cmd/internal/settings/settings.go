// Package settings reads the options of a program: from its command line, from
// a configuration file that calls them by the same names, and from the
// environment. An option given twice is taken from the first of these three.
//
// A program declares its options in sections, which order the help text:
//
//	s := settings.New("smcroute-agent", "routes IP multicast on a node")
//	k := s.Section("Kubernetes")
//	k.StringVar(&o.node, "node-name", "", "name of this node")
//	s.Env("node-name", "NODE_NAME")
//	switch asked, err := s.Parse(os.Args[1:]); { ...
package settings

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Settings are the options of a program.
type Settings struct {
	name, purpose string

	sections []section
	all      *pflag.FlagSet
	env      map[string]string // variables by option
	fromEnv  map[string]bool   // options that were taken from there

	file          string
	help, version bool
}

type section struct {
	title string
	*pflag.FlagSet
}

// Asked is what the command line asks for, instead of the program's work.
type Asked int

// What can be asked for.
const (
	Nothing Asked = iota
	Help          // --help, -h
	Version       // --version
)

// New returns settings without options of their own. The purpose is the
// program's in a few words, "routes IP multicast on a node".
func New(name, purpose string) *Settings {
	return &Settings{name: name, purpose: purpose, all: newSet(), env: map[string]string{}, fromEnv: map[string]bool{}}
}

// Section begins a section of the help text, for the options that are defined
// in the set that it returns.
func (s *Settings) Section(title string) *pflag.FlagSet {
	set := newSet()
	s.sections = append(s.sections, section{title, set})
	return set
}

func newSet() *pflag.FlagSet {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.SortFlags = false
	return set
}

// Env names the environment variable that an option is taken from if neither
// the command line nor the file has it. A variable that is empty is not set.
func (s *Settings) Env(option, variable string) { s.env[option] = variable }

// Parse reads the command line, without the program's name, and what it leads
// to. Its errors are [*Error]s, several of them joined if it is the file that
// has them, one a line.
func (s *Settings) Parse(args []string) (Asked, error) {
	general := s.Section("General")
	general.StringVar(&s.file, "config", "", "YAML `FILE` with these options by their long names, as in \"log-level: debug\"; the command line wins over it")
	general.BoolFunc("version", "print the version and exit", on(&s.version))
	general.BoolFuncP("help", "h", "print this text and exit", on(&s.help))
	for _, sec := range s.sections {
		s.all.AddFlagSet(sec.FlagSet)
	}
	s.all.Usage = func() {}

	if err := s.all.Parse(args); err != nil {
		return Nothing, s.complaint(err)
	}
	switch {
	case s.help:
		return Help, nil
	case s.version:
		return Version, nil
	case s.all.NArg() > 0:
		return Nothing, errorf("%q is not an option: expected --name or --name=value", s.all.Arg(0))
	}
	if s.file != "" {
		if err := s.readFile(s.file); err != nil {
			return Nothing, err
		}
	}
	return Nothing, s.readEnv()
}

// on is for options of which nobody says that they are false.
func on(b *bool) func(string) error {
	return func(value string) (err error) {
		*b, err = strconv.ParseBool(value)
		return err
	}
}

// Changed reports whether an option was given, wherever.
func (s *Settings) Changed(option string) bool { return s.all.Changed(option) }

// Said reports whether somebody gave an option to this program: on its command line or in
// its file. The environment may be meant for others.
func (s *Settings) Said(option string) bool { return s.Changed(option) && !s.fromEnv[option] }

func (s *Settings) readEnv() error {
	for option, variable := range s.env {
		value := os.Getenv(variable)
		if value == "" || s.all.Changed(option) {
			continue
		}
		if err := s.all.Set(option, value); err != nil {
			return errorf("environment variable %s: %s", variable, invalid(s.all.Lookup(option), value, err))
		}
		s.fromEnv[option] = true
	}
	return nil
}

// Usage writes the help text, for a terminal that is so many columns wide.
func (s *Settings) Usage(w io.Writer, columns int) {
	fmt.Fprintf(w, "%s %s.\n\nUsage:\n  %s [options]\n", s.name, s.purpose, s.name)
	for _, sec := range s.sections {
		sec.VisitAll(func(f *pflag.Flag) {
			if v, ok := s.env[f.Name]; ok && !strings.Contains(f.Usage, "$"+v) {
				f.Usage += " (environment: $" + v + ")"
			}
		})
		fmt.Fprintf(w, "\n%s:\n%s", sec.title, sec.FlagUsagesWrapped(columns))
	}
}
