package main

import "testing"

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		in    string
		n     int
		clean bool
	}{
		{"60", 60, true},
		{" \t7", 7, true},
		{"+8", 8, true},
		{"-5", -5, true},
		{"010", 10, true},
		{"12x", 12, false},
		{"1.5", 1, false},
		{"junk", 0, false},
		{"", 0, false},
		{"-", 0, false},
		{"--1", 0, false},
		{"99999999999999999999", 1<<31 - 1, true},
	} {
		if n, clean := number(tt.in); n != tt.n || clean != tt.clean {
			t.Errorf("%q: got %d, %v; want %d, %v", tt.in, n, clean, tt.n, tt.clean)
		}
	}
}
