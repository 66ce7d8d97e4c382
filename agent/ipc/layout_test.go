package ipc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	le64 = Layout{8, binary.LittleEndian}
	le32 = Layout{4, binary.LittleEndian}
	be64 = Layout{8, binary.BigEndian}
	be32 = Layout{4, binary.BigEndian}

	layouts = map[string]Layout{"le64": le64, "le32": le32, "be64": be64, "be32": be32}
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestGoldenFrames has the bytes that SMCRoute's client was seen to send on
// amd64, and the same requests in the layouts of other machines.
func TestGoldenFrames(t *testing.T) {
	const route = "61310031 2e322e33 2e340032 32352e31 2e312e31 00613200 00" // a1 1.2.3.4 225.1.1.1 a2
	add := Request{Add, []string{"a1", "1.2.3.4", "225.1.1.1", "a2"}}
	groups := Request{ShowDetail, []string{"groups"}}
	for _, tt := range []struct {
		name   string
		layout Layout
		req    Request
		want   []byte
	}{
		{"add, amd64 arm64", le64, add, unhex("29000000 00000000 6100 0400 00000000" + route)},
		{"add, 386 arm", le32, add, unhex("21000000 6100 0400" + route)},
		{"add, s390x", be64, add, unhex("00000000 00000029 0061 0004 00000000" + route)},
		{"add, ppc", be32, add, unhex("00000021 0061 0004" + route)},
		{"show", le64, Request{Show, nil}, unhex("11000000 00000000 7300 0000 00000000 00")},
		{"show groups in detail", le64, groups, unhex("18000000 00000000 5300 0100 00000000 67726f757073 0000")},
		{"empty argument", le32, Request{Show, []string{"", "x"}}, unhex("0c000000 7300 0200 00 7800 00")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.layout.Append([]byte("before"), tt.req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("before"+string(tt.want), string(got)); diff != "" {
				t.Errorf("Append (-want +got)\n%s", diff)
			}
			req, err := tt.layout.Parse(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.req, req); diff != "" {
				t.Errorf("Parse (-want +got)\n%s", diff)
			}
		})
	}
}

func TestNativeIsThisMachine(t *testing.T) {
	req := Request{Flush, nil}
	got, err := req.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range layouts {
		want, err := l.Append(nil, req)
		if err != nil {
			t.Fatal(err)
		}
		if same := bytes.Equal(got, want); same != (l.WordSize == Native.WordSize && l.Order.String() == hostOrder()) {
			t.Errorf("%s: equal to the native layout: %v", name, same)
		}
	}
}

func hostOrder() string {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return binary.LittleEndian.String()
	}
	return binary.BigEndian.String()
}

// TestRoundTrip: whatever fits comes back from every layout, one request after
// the other from one stream; what does not fit is refused.
func TestRoundTrip(t *testing.T) {
	arg := rapid.StringOfN(rapid.RuneFrom([]rune("abc./:0129é\n")), 0, 200, 200)
	rapid.Check(t, func(t *rapid.T) {
		l := layouts[rapid.SampledFrom([]string{"le64", "le32", "be64", "be32"}).Draw(t, "layout")]
		var stream []byte
		var sent []Request
		for range rapid.IntRange(0, 4).Draw(t, "requests") {
			req := Request{Command: Command(rapid.Byte().Draw(t, "command"))}
			total := l.header() + 1
			for _, a := range rapid.SliceOf(arg).Draw(t, "args") {
				req.Args = append(req.Args, a)
				total += len(a) + 1
			}
			longer, err := l.Append(stream, req)
			if total > MaxRequest {
				if !errors.Is(err, ErrTooLong) || len(longer) != len(stream) {
					t.Fatalf("%d bytes: error %v, %d bytes appended", total, err, len(longer)-len(stream))
				}
				continue
			}
			if err != nil || len(longer) != len(stream)+total {
				t.Fatalf("%d bytes: error %v, %d bytes appended", total, err, len(longer)-len(stream))
			}
			stream = longer
			sent = append(sent, req)
		}
		r := bytes.NewReader(stream)
		for _, want := range sent {
			got, err := l.Read(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		if _, err := l.Read(r); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v, want EOF", err)
		}
	})
}

func TestLongestRequest(t *testing.T) {
	fits := Request{Add, []string{strings.Repeat("x", MaxRequest-le64.header()-2)}}
	if b, err := le64.Append(nil, fits); err != nil || len(b) != MaxRequest {
		t.Errorf("%d bytes, error %v; want %d and none", len(b), err, MaxRequest)
	}
	fits.Args[0] += "x"
	if _, err := le64.Append(nil, fits); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want ErrTooLong", err)
	}
	if _, err := le64.Append(nil, Request{Add, []string{"a\x00b"}}); err == nil {
		t.Error("an argument with a NUL was accepted")
	}
}

// TestMalformedFrames: each is refused with a sentence that says what is wrong.
func TestMalformedFrames(t *testing.T) {
	for _, tt := range []struct {
		name, frame, want string
	}{
		{"length 0", "00000000 00000000 7300 0000 00000000 00", "length 0: expected 17 bytes at least"},
		{"length of the header alone", "10000000 00000000 7300 0000 00000000 00", "length 16: expected 17 bytes at least"},
		{"length over the limit", "01040000 00000000 7300 0000 00000000 00", "length 1025: expected 1024 bytes at most"},
		{"from a 32-bit client", "09000000 7300 0000 00 000000 00000000 00", "length 493921239049: expected 1024 bytes at most"},
		{"huge length", "ffffffff ffffffff 7300 0000 00000000 00", "length 18446744073709551615: expected"},
		{"command beyond a byte", "11000000 00000000 7301 0000 00000000 00", "command 371: expected a letter"},
		{"count beyond the frame", "11000000 00000000 6100 ffff 00000000 00", "65535 arguments in 1 bytes: expected"},
		{"one argument too many", "13000000 00000000 6100 0200 00000000 61 00 00", `"" after the last of 2 arguments: expected a single NUL`},
		{"argument without NUL", "13000000 00000000 6100 0100 00000000 616161", "argument 1 without a NUL"},
		{"one argument too few", "15000000 00000000 6100 0100 00000000 6100 6200 00", `"b\x00\x00" after the last of 1 arguments`},
		{"no final NUL", "12000000 00000000 6100 0100 00000000 61 00", `"" after the last of 1 arguments`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := le64.Read(bytes.NewReader(unhex(tt.frame)))
			var bad *FrameError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a *FrameError", err)
			}
			if !strings.Contains(bad.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", bad, tt.want)
			}
		})
	}
}

func TestTruncatedFrames(t *testing.T) {
	frame, err := le64.Append(nil, Request{Add, []string{"a1", "225.1.2.3", "a2"}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range frame {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := le64.Read(bytes.NewReader(frame[:n])); !errors.Is(err, want) {
			t.Errorf("%d of %d bytes: error %v, want %v", n, len(frame), err, want)
		}
		if _, err := le64.Parse(frame[:n]); err == nil {
			t.Errorf("%d of %d bytes: parsed", n, len(frame))
		}
	}
}

// FuzzParse: no input makes the decoder panic, and what it accepts encodes to
// the same bytes, but for padding.
func FuzzParse(f *testing.F) {
	for _, req := range []Request{{Show, nil}, {Add, []string{"a1", "1.2.3.4", "225.1.1.1", "a2"}}, {ShowJSON, []string{""}}} {
		for _, l := range layouts {
			frame, err := l.Append(nil, req)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(frame)
			f.Add(frame[:len(frame)-1])
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for name, l := range layouts {
			req, err := l.Parse(frame)
			if err != nil {
				var bad *FrameError
				if !errors.As(err, &bad) || bad.Found == "" || bad.Expected == "" {
					t.Fatalf("%s: error %#v, want a *FrameError with both halves", name, err)
				}
				continue
			}
			again, err := l.Append(nil, req)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := bytes.Clone(frame)
			for i := l.WordSize + 4; i < l.header(); i++ {
				want[i] = 0
			}
			if !bytes.Equal(again, want) {
				t.Fatalf("%s: %q became %q", name, want, again)
			}
			streamed, err := l.Read(bytes.NewReader(frame))
			if diff := cmp.Diff(req, streamed); err != nil || diff != "" {
				t.Fatalf("%s: Read: %v\n%s", name, err, diff)
			}
		}
	})
}
