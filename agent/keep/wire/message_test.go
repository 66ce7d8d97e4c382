package wire

import (
	"reflect"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	for _, m := range []Message{
		{Op: Hello, Version: 3, Oldest: 2, Role: Mirror},
		{Op: Change, Put: []Item{{Name: "4-4026531840/0/ipv4/owner", Flush: true}, {Name: `"<&>\`}}, Drop: []string{"b"}},
		{Op: Done, Error: "a sentence"},
		{Op: "later", Role: "stranger"}, // of a newer version
	} {
		b, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v, %v", b, got, err)
		}
	}
}

// The longest names that there are fit into one message.
func TestLargestMessage(t *testing.T) {
	m := Message{Op: Change}
	for range MaxNames {
		m.Put = append(m.Put, Item{Name: strings.Repeat(`"`, MaxName), Flush: true})
	}
	if _, err := Encode(m); err != nil {
		t.Error(err)
	}
}

func TestBadMessages(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{``, "not a message"},
		{`null`, "does not say what it is"},
		{`[]`, "not a message"},
		{`{"op":"hello"} {}`, "not a message"},
		{`{"op":1}`, "not a message"},
		{`{"op":"hello","version":1e99}`, "not a message"},
		{`{"op":"change","put":[{}]}`, "0 bytes"},
		{`{"op":"change","put":[{"name":"a:b"}]}`, "expected printable ASCII"},
		{`{"op":"change","drop":["a\nb"]}`, "expected printable ASCII"},
		{`{"op":"change","drop":["ä"]}`, "expected printable ASCII"},
		{`{"op":"change","drop":["` + strings.Repeat("a", MaxName+1) + `"]}`, "expected 1 to 255"},
		{`{"op":"change","drop":[` + strings.Repeat(`"a",`, MaxNames) + `"a"]}`, "expected 64 at most"},
		{strings.Repeat(" ", MaxMessage+1), "expected 65536 at most"},
	} {
		if _, err := Decode([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s: got %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestAgree(t *testing.T) {
	for _, tt := range []struct {
		hello Message
		want  int
		err   string
	}{
		{Message{Op: Hello, Version: 1, Oldest: 1}, 1, ""},
		{Message{Op: Hello, Version: 7, Oldest: 1}, 1, ""},
		{Message{Op: Hello, Version: 7, Oldest: 2}, 0, "it speaks the versions 2 to 7 of the protocol, and this keeper 1 to 1"},
		{Message{Op: Hello}, 0, "the versions 0 to 0"},
		{Message{Op: Change}, 0, `expected "hello"`},
	} {
		got, err := Agree(tt.hello)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%+v: got %d, %v", tt.hello, got, err)
		}
	}
}

// Whatever is decoded can be encoded, and is the same then.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"op":"hello","version":1,"oldest":1,"role":"program"}`))
	f.Add([]byte(`{"op":"change","put":[{"name":"a","flush":true}],"drop":["b"]}`))
	f.Add([]byte(`{"op":"done","error":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(m)
		if err != nil {
			if len(m.Error)+len(m.Op)+len(m.Role) > MaxMessage/10 {
				return // escaped it is longer
			}
			t.Fatalf("%q: %v", b, err)
		}
		n, err := Decode(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		third, err := Encode(n)
		if err != nil || string(third) != string(again) {
			t.Fatalf("%q became %q: %v", again, third, err)
		}
	})
}
