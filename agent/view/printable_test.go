package view

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"eth0 é 10.0.0.1, <b>": "eth0 é 10.0.0.1, <b>",
		"\x1b[2J":              "?[2J",
		"a\tb\nc\rd\x7f":       "a?b?c?d?",
		"\u009b2J":             "?2J",  // CSI in one character
		"\u202eabc":            "?abc", // from right to left
		"\U000e0001\u200b":     "??",   // show nothing
		"\xff\xfe\ufffd":       "???",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
