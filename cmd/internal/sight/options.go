package sight

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/smcroute/kube-smcroute/agent/draw"
)

// Verb is what to look at.
type Verb string

// The verbs.
const (
	Routes Verb = "routes"
	Flows  Verb = "flows"
	Top    Verb = "top"
	Tree   Verb = "tree"
	Watch  Verb = "watch"
)

// Verbs are all, in the order in which they are explained.
var Verbs = []Verb{Routes, Flows, Top, Tree, Watch}

// About is a line that explains the verb.
func (v Verb) About() string {
	return map[Verb]string{
		Routes: "List routes, and whether they are in the kernel and packets come",
		Flows:  "List what is in the kernel's forwarding cache",
		Top:    "Show the flows with the highest rates, again and again",
		Tree:   "Draw where packets go: sender, interface, outputs",
		Watch:  "Print a line whenever something changes",
	}[v]
}

// Repeats reports whether a verb goes on.
func (v Verb) Repeats() bool { return v == Top || v == Watch }

// Options are what the command line says of a verb.
type Options struct {
	Format draw.Format

	output              string
	rate, silent, delay float64 // seconds
	count               int
}

// Flags adds the options of a verb. If the routers are far away looks cost more, and
// the letters are another program's.
func (o *Options) Flags(fs *pflag.FlagSet, v Verb, far bool) {
	letter := func(l string) string {
		if far {
			return ""
		}
		return l
	}
	delay := map[Verb]float64{Top: 2, Watch: 1}[v]
	if far {
		delay = 5
	}
	fs.StringVarP(&o.output, "output", "o", "", "Output `FORMAT`: json, yaml or wide")
	fs.Float64Var(&o.silent, "silent", draw.DefaultSilent.Seconds(), "A stream is silent after so many `SECONDS` without a packet")
	if v.Repeats() {
		fs.Float64VarP(&o.delay, "delay", letter("d"), delay, "`SECONDS` between two looks")
		fs.IntVarP(&o.count, "count", letter("n"), 0, "End after `N` looks; 0: never")
	} else {
		fs.Float64VarP(&o.rate, "rate", letter("r"), 0, "Measure rates for so many `SECONDS`")
	}
}

// Check is to be called when the command line was read.
func (o *Options) Check() error {
	const shortest, longest = 0.1, 86400
	for _, x := range []struct {
		name  string
		value float64
		zero  bool // means that it is not asked for
	}{{"silent", o.silent, false}, {"delay", o.delay, true}, {"rate", o.rate, true}} {
		if x.zero && x.value == 0 {
			continue
		}
		if math.IsNaN(x.value) || x.value < shortest || x.value > longest {
			return fmt.Errorf("option --%s %v: expected %v to %v seconds", x.name, x.value, shortest, longest)
		}
	}
	if o.count < 0 {
		return fmt.Errorf("option --count %d: expected 0 or more", o.count)
	}
	var err error
	o.Format, err = draw.ParseFormat(o.output)
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Style is for a terminal of the locale that the environment tells of (locale(7)).
func Style() draw.Style {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale = os.Getenv(name); locale != "" {
			break
		}
	}
	locale = strings.ToUpper(locale)
	return draw.Style{ASCII: !strings.Contains(locale, "UTF-8") && !strings.Contains(locale, "UTF8")}
}
