package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

func prefix(s string) view.Net {
	var n view.Net
	if s != "" {
		if err := n.UnmarshalText([]byte(s)); err != nil {
			panic(err)
		}
	}
	return n
}

// flow is an entry from in to out.
func flow(source, group string, packets uint64, idle time.Duration) view.Flow {
	return view.Flow{
		Source: prefix(source), Group: prefix(group), Kind: view.Static, IIF: "in", OIFs: []string{"out"},
		Traffic: view.Traffic{Packets: packets, Bytes: 100 * packets, Idle: view.Seconds(idle)},
	}
}

// one has a page show one router in this state.
func one(s *view.State) Options {
	return Options{
		Routers: func(context.Context) []Router { return []Router{{Name: "main", Survey: s.Survey}} },
		WriteState: func(_ context.Context, router string, w io.Writer) error {
			if router != "" && router != "main" {
				return ErrNoRouter
			}
			return json.NewEncoder(w).Encode(s)
		},
	}
}

// get asks a handler as a browser does that was given localhost.
func get(h http.Handler, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "localhost:8473"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Every file of the page, and every answer, refusals included, has the headers.
func TestHeaders(t *testing.T) {
	h := New(one(&view.State{}))
	for _, path := range []string{
		"/", "/style.css", "/icon.svg", "/main.js", "/dom.js", "/streams.js", "/links.js", "/findings.js", "/format.js", "/spark.js",
		"/api/page", "/api/state", "/nothing", "/api/nothing", "/api/findings", "/api/page?top=x",
	} {
		w := get(h, path)
		wantCode := http.StatusOK
		switch path {
		case "/nothing", "/api/nothing", "/api/findings":
			wantCode = http.StatusNotFound
		case "/api/page?top=x":
			wantCode = http.StatusBadRequest
		}
		if w.Code != wantCode {
			t.Errorf("%s: %d, want %d", path, w.Code, wantCode)
		}
		for name, value := range headers {
			if name == "Cache-Control" && w.Code != http.StatusOK { // net/http takes it away, and nobody keeps errors
				continue
			}
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s: %s: %q, want %q", path, name, got, value)
			}
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
				t.Errorf("%s has the header %s", path, name)
			}
		}
	}
	policy := headers["Content-Security-Policy"]
	for _, bad := range []string{"unsafe", "http:", "https:", "*", "data:", "blob:"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy lets in %s: %s", bad, policy)
		}
	}
}

// Nothing in the page is from elsewhere, and nothing in it makes markup of text.
func TestFiles(t *testing.T) {
	files, err := static.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := static.ReadFile("static/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick=", "<script>", "//cdn", "https://"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %s", f.Name(), bad)
			}
		}
		rest := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "") // a name, not an address
		if strings.Contains(rest, "http://") {
			t.Errorf("%s has an address of somebody else", f.Name())
		}
	}
}

func TestHosts(t *testing.T) {
	h := New(one(&view.State{}))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8473": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "127.0.0.1:8080": 200, "127.8.0.1:1": 200,
		"[::1]": 200, "[::1]:8473": 200, "[::ffff:127.0.0.1]:8473": 200,
		"": 421, "evil.example": 421, "evil.example:8473": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"10.0.0.1:8473": 421, "[2001:db8::1]:8473": 421, "0.0.0.0:8473": 421, "[::]:8473": 421, "[::1%25lo]:8473": 421,
		"localhost:8473:x": 421, "127.1": 421, "2130706433": 421, "localhost@evil.example": 421,
	} {
		for _, path := range []string{"/", "/api/state", "/main.js"} {
			if w := get(h, path, func(r *http.Request) { r.Host = host }); w.Code != want {
				t.Errorf("Host %q, %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	h := New(one(&view.State{}))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "TRACE", "BREW"} {
		if w := get(h, "/api/state", func(r *http.Request) { r.Method = method }); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
			t.Errorf("%s: %d, Allow: %s", method, w.Code, w.Header().Get("Allow"))
		}
	}
	from := func(site string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }
	}
	for _, tt := range []struct {
		site, path string
		want       int
	}{
		{"cross-site", "/api/state", 403},
		{"cross-site", "/api/page", 403},
		{"cross-site", "/", 200}, // a link to it
		{"same-origin", "/api/state", 200},
		{"none", "/api/state", 200},
	} {
		if w := get(h, tt.path, from(tt.site)); w.Code != tt.want {
			t.Errorf("Sec-Fetch-Site: %s, %s: %d, want %d", tt.site, tt.path, w.Code, tt.want)
		}
	}
}

// A state that cannot be had is told of; one that breaks off is not taken for all of it.
func TestState(t *testing.T) {
	o := one(&view.State{})
	if w := get(New(o), "/api/state?router=x"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"x"`) {
		t.Errorf("of a router that is not there: %d %s", w.Code, w.Body)
	}
	text := ""
	o.WriteState = func(_ context.Context, _ string, w io.Writer) error {
		if text != "" {
			_, _ = io.WriteString(w, text)
		}
		return errors.New("it has ended")
	}
	if w := get(New(o), "/api/state"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "it has ended") {
		t.Errorf("of a router that does not answer: %d %s", w.Code, w.Body)
	}
	text = "{"
	defer func() {
		if r := recover(); r != http.ErrAbortHandler {
			t.Errorf("it ends with %v", r)
		}
	}()
	get(New(o), "/api/state")
	t.Error("half a state is taken for all")
}

func TestParseAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8473": "127.0.0.1:8473", "localhost:1": "127.0.0.1:1", "[::1]:0": "[::1]:0", "127.9.9.9:65535": "127.9.9.9:65535",
		"[::ffff:127.0.0.1]:80": "127.0.0.1:80",
	} {
		got, err := ParseAddr(addr)
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", addr, got, err, want)
		}
	}
	for addr, want := range map[string]string{
		"":                   "expected one as 127.0.0.1:8473",
		"8473":               "expected one as 127.0.0.1:8473",
		"127.0.0.1":          "expected one as 127.0.0.1:8473",
		":8473":              "expected a loopback address, as 127.0.0.1:8473 or [::1]:8473",
		"0.0.0.0:8473":       "expected a loopback address",
		"[::]:8473":          "expected a loopback address",
		"10.0.0.1:8473":      "expected a loopback address",
		"example.org:8473":   "expected a loopback address",
		"localhost.x:8473":   "expected a loopback address",
		"[::1%lo]:8473":      "expected a loopback address",
		"127.0.0.1:":         "expected a number of 0 to 65535",
		"127.0.0.1:http":     "expected a number of 0 to 65535",
		"127.0.0.1:65536":    "expected a number of 0 to 65535",
		"unix:///run/x.sock": "expected",
	} {
		if _, err := ParseAddr(addr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", addr, err, want)
		}
		if l, err := Listen(t.Context(), net.ListenConfig{}, addr); err == nil {
			t.Errorf("%q: listens at %v", addr, l.Addr())
			l.Close()
		}
	}
}

func FuzzHost(f *testing.F) {
	f.Add("localhost:1")
	f.Add("[::1]:2")
	f.Fuzz(func(t *testing.T, host string) {
		if !isLoopback(host) {
			return
		}
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = strings.Trim(host, "[]")
		}
		if a, err := netip.ParseAddr(name); !strings.EqualFold(name, "localhost") && (err != nil || !a.Unmap().IsLoopback()) {
			t.Errorf("%q counts as loopback", host)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("q=239.1&state=flowing&top=5&after=1&router=main")
	f.Add("q=%3Cb%3E&top=-1")
	h := New(one(&view.State{Flows: []view.Flow{flow("10.0.0.1", "239.1.1.1", 1, 0)}}))
	f.Fuzz(func(t *testing.T, text string) {
		w := get(h, "/api/page", func(r *http.Request) { r.URL.RawQuery = text + "&after=0" })
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		default:
			t.Errorf("%d", w.Code)
		}
	})
}

// readings is a router whose packets rise by 50 a second, and that counts how
// often it is read.
type readings struct {
	n    atomic.Int32
	took time.Duration
}

func (r *readings) routers(context.Context) []Router {
	r.n.Add(1)
	time.Sleep(r.took)
	now := time.Now()
	s := &view.State{Time: now, Flows: []view.Flow{flow("10.0.0.1", "239.1.1.1", uint64(50*(now.Unix()-946684799)), 0)}}
	return []Router{{Name: "main", Survey: s.Survey}}
}

// However many look, and however fast they ask, one reading a second is taken;
// and none if nobody looks.
func TestOneReadingASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r readings
		unwatchedCalls := 0
		h := New(Options{Routers: r.routers, Unwatched: func() { unwatchedCalls++ }})
		end := time.Now().Add(10*time.Second - time.Millisecond)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for seq := uint64(0); time.Now().Before(end); {
					d := decode[Document](t, get(h, fmt.Sprintf("/api/page?after=%d", seq)))
					if d.Seq == seq {
						t.Errorf("document %d again", seq)
					}
					if seq = d.Seq; i%2 == 0 { // one that does not follow
						time.Sleep(300 * time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		if n := r.n.Load(); n < 10 || n > 12 {
			t.Errorf("%d readings in 10 s, want 11", n)
		}
		before := r.n.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.n.Load(); n != before {
			t.Errorf("%d readings while nobody looked", n-before)
		}
		if unwatchedCalls != 1 {
			t.Errorf("told %d times that nobody looks", unwatchedCalls)
		}
	})
}

// A router that takes long is read less often, and who gives up does not spoil
// the reading for others.
func TestSlowRouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := readings{took: 500 * time.Millisecond}
		h := New(Options{Routers: r.routers})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		var wg sync.WaitGroup
		wg.Go(func() { get(h, "/api/page", func(q *http.Request) { *q = *q.WithContext(ctx) }) })
		var first Document
		wg.Go(func() {
			time.Sleep(50 * time.Millisecond)
			first = decode[Document](t, get(h, "/api/page"))
		})
		wg.Wait()
		if first.Seq != 1 || first.Gap != 5 {
			t.Errorf("document %d, the next after %v s, want 1 and 5 s", first.Seq, first.Gap)
		}
		start := time.Now()
		second := decode[Document](t, get(h, "/api/page?after=1"))
		if took := time.Since(start); second.Seq != 2 || took != 5*time.Second {
			t.Errorf("document %d after %v, want 2 after 5 s", second.Seq, took)
		}
	})
}

// Rates are differences of counters over the time between.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Routers: new(readings).routers})
		first := decode[Document](t, get(h, "/api/page"))
		if r := first.Rows[0]; r.PacketRate != nil || r.State != Flowing || first.Totals.Known {
			t.Errorf("at first: %+v, %+v", r, first.Totals)
		}
		second := decode[Document](t, get(h, "/api/page?after=1"))
		r := second.Rows[0]
		if r.PacketRate == nil || *r.PacketRate != 50 || *r.BitRate != 40000 || *r.WrongRate != 0 {
			t.Errorf("rates: %v %v %v", r.PacketRate, r.BitRate, r.WrongRate)
		}
		if !second.Totals.Known || second.Totals.Packets != 50 || second.Totals.Bits != 40000 {
			t.Errorf("totals: %+v", second.Totals)
		}
	})
}

// Findings are looked for once for all who ask, and not again at once.
func TestFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		h := New(Options{Examine: func(context.Context) (diagnose.Report, error) {
			looks++
			time.Sleep(2 * time.Second)
			if looks == 2 {
				return diagnose.Report{}, errors.New("the node has no /proc")
			}
			return diagnose.Report{Findings: []diagnose.Finding{{ID: "ttl", Severity: "broken", Text: "The TTL is 1."}}}, nil
		}})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				f := decode[Findings](t, get(h, "/api/findings"))
				if len(f.Findings) != 1 || f.Findings[0].ID != "ttl" {
					t.Errorf("%+v", f)
				}
			})
		}
		wg.Wait()
		if looks != 1 {
			t.Errorf("%d looks for 5 who asked", looks)
		}
		time.Sleep(30 * time.Second)
		if f := decode[Findings](t, get(h, "/api/findings")); f.Error != "the node has no /proc" || f.Findings == nil {
			t.Errorf("%+v", f)
		}
	})
}

// Of many findings the worst are shown.
func TestManyFindings(t *testing.T) {
	h := New(Options{Examine: func(context.Context) (r diagnose.Report, _ error) {
		for i := range 200 {
			r.Findings = append(r.Findings, diagnose.Finding{ID: "no_packets", Severity: severities[2-i%3], Text: fmt.Sprint(i)})
		}
		return r, nil
	}})
	f := decode[Findings](t, get(h, "/api/findings"))
	if len(f.Findings) != maxFindings || f.Omitted != 150 || f.Findings[0].Text != "2" || f.Findings[49].Severity != diagnose.Broken {
		t.Errorf("%d findings, %d more; the first %+v", len(f.Findings), f.Omitted, f.Findings[0])
	}
}

func TestServe(t *testing.T) {
	l, err := Listen(t.Context(), net.ListenConfig{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, New(one(&view.State{Version: "7"}))) }()
	r, err := http.Get("http://" + l.Addr().String() + "/api/state")
	if err != nil {
		t.Fatal(err)
	}
	var s view.State
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil || s.Version != "7" {
		t.Errorf("%+v, %v", s, err)
	}
	_ = r.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
