package main

import (
	"math"
	"strings"
)

// number reads s as C's atoi does: white space, a sign, digits, and whatever
// follows is ignored. clean is false if something was, or if there are no
// digits, which gives 0. Values beyond 32 bits become the nearest that fits.
func number(s string) (n int, clean bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	sign := 1
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = -1, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	digits := 0
	for digits < len(s) && '0' <= s[digits] && s[digits] <= '9' {
		n = min(n*10+int(s[digits]-'0'), math.MaxInt32)
		digits++
	}
	return sign * n, digits > 0 && digits == len(s)
}
