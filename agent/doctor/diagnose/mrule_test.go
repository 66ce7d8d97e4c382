package diagnose

import "testing"

// A rule in the words of ip, and the links that it is for.
func TestTableRuleWords(t *testing.T) {
	for _, tt := range []struct {
		rule    TableRule
		words   string
		in, out bool // whether it is for what arrives there
	}{
		{TableRule{Priority: 5, IIF: "in", Table: 77, Action: Lookup}, "5: from all iif in lookup 77", true, false},
		{TableRule{Priority: 6, Action: "blackhole"}, "6: from all iif any blackhole", true, true},
		{TableRule{Not: true, IIF: "in", Action: "prohibit"}, "0: not from all iif in prohibit", false, true},
		{TableRule{Not: true, IIF: "in", Selector: "fwmark 0x1/0xff", Table: 7, Action: Lookup}, "0: not from all iif in fwmark 0x1/0xff lookup 7", true, true},
		{TableRule{OIF: "in", Table: 7, Action: Lookup}, "0: from all iif any oif in lookup 7", false, false},
	} {
		if got := tt.rule.String(); got != tt.words {
			t.Errorf("%q, expected %q", got, tt.words)
		}
		if in, out := tt.rule.isFor("in", false), tt.rule.isFor("out", false); in != tt.in || out != tt.out {
			t.Errorf("%s: for in: %v, out: %v", tt.words, in, out)
		}
		if tt.rule.isFor("in", true) {
			t.Errorf("%s: for the other family", tt.words)
		}
	}
}
