package draw

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/view"
)

// texts returns packets and bits per second, or nothing.
func (r Rate) texts() (pps, bps string) {
	p, b, ok := r.known()
	if !ok {
		return "", ""
	}
	return scaled(p), scaled(b)
}

// words is the rate behind other text: "  412 pps  4.32 Mbit/s", or nothing.
func (r Rate) words() string {
	p, b, ok := r.known()
	if !ok {
		return ""
	}
	return "  " + scaled(p) + " pps  " + scaled(b) + "bit/s"
}

// scaled is a number with a prefix of the SI and three digits: "4.32M".
func scaled(x float64) string {
	unit := ""
	for _, u := range []string{"k", "M", "G", "T", "P", "E"} {
		if x < 999.5 {
			break
		}
		x /= 1000
		unit = u
	}
	digits := 0
	switch {
	case x < 0.05 && unit == "":
		return "0"
	case x < 9.995 && unit != "":
		digits = 2
	case x < 99.95 && (unit != "" || x < 9.95):
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + unit
}

// counted is "1 flow" or "2 flows".
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// number is a counter, exactly.
func number(n uint64) string { return strconv.FormatUint(n, 10) }

// seconds is a time in its two largest units, "-" if it is not known.
func seconds(s view.Seconds) string {
	d, ok := s.Known()
	if !ok {
		return "-"
	}
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d.%ds", d/time.Second, d%time.Second/(time.Second/10))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// names are interfaces, in one cell.
func names(all []string) string {
	if len(all) == 0 {
		return "-"
	}
	return list(all, " ")
}

func list(all []string, between string) string { return strings.Join(all, between) }

func anySource(source string) string {
	if source == "" {
		return "*"
	}
	return source
}
