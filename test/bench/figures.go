package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// median is the one in the middle, NaN of none.
func median(figures []float64) float64 { return quantile(figures, 0.5) }

// quantile is the figure that a part q of all are not above, from 0 to 1.
func quantile(figures []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Units of figures.

// seconds prints seconds with three digits or so.
func seconds(s float64) string {
	switch {
	case s >= 10:
		return fmt.Sprintf("%.0f s", s)
	case s >= 1:
		return fmt.Sprintf("%.1f s", s)
	case s >= 10e-3:
		return fmt.Sprintf("%.0f ms", s*1e3)
	case s >= 1e-3:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s >= 10e-6:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case s >= 1e-6:
		return fmt.Sprintf("%.1f µs", s*1e6)
	}
	return fmt.Sprintf("%.0f ns", s*1e9)
}

// since is how many seconds have passed.
func since(start time.Time) float64 { return time.Since(start).Seconds() }

// mib prints bytes.
func mib(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }

// perSecond prints a rate.
func perSecond(rate float64) string { return count(rate) + "/s" }

// count prints a number with commas, as "100,000".
func count(n float64) string {
	s := strconv.FormatInt(int64(n+0.5), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// times prints a ratio, a small one as "1/323".
func times(ratio float64) string {
	switch {
	case ratio > 0 && ratio <= 1.0/20:
		return fmt.Sprintf("1/%.0f", 1/ratio)
	case ratio >= 20:
		return fmt.Sprintf("%.0f", ratio)
	}
	return strconv.FormatFloat(ratio, 'g', 3, 64)
}
