package metrics

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/smcroute/kube-smcroute/agent/meter"
)

// everything is a sample of each metric, and of what is hard to write.
func everything() []Family {
	h := meter.Histogram{}
	h.Observe(3*time.Millisecond, 2)
	h.Observe(time.Hour, 1)
	fs := families{}
	for _, d := range all {
		labels := make([]string, len(d.Labels))
		for i := range labels {
			labels[i] = "a \"b\" \\c\n\xff\u00e9"
		}
		switch d.Kind {
		case Histogram:
			fs.addHistogram(d, &h, "main")
		case Counter:
			fs.add(d, 1<<40, labels...)
		default:
			fs.add(d, 0.000125, labels...)
		}
	}
	return fs.list()
}

func written(t *testing.T, f Format, families []Family) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, families); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parsed(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	m, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

// Both formats are as Prometheus' own library writes them.
func TestAsTheLibrary(t *testing.T) {
	families := everything()
	text := written(t, Text, families)
	read := parsed(t, text)
	if len(read) != len(all) {
		t.Errorf("%d metrics of %d are read back", len(read), len(all))
	}
	for format, as := range map[Format]expfmt.FormatType{Text: expfmt.TypeTextPlain, OpenMetrics: expfmt.TypeOpenMetrics} {
		var b bytes.Buffer
		e := expfmt.NewEncoder(&b, expfmt.NewFormat(as))
		for _, d := range all {
			if err := e.Encode(read[d.Name]); err != nil {
				t.Fatal(err)
			}
		}
		if c, ok := e.(expfmt.Closer); ok {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(values(b.String()), values(written(t, format, families))); diff != "" {
			t.Errorf("%s: %s", format.ContentType(), diff)
		}
	}
}

// values are lines whose numbers are written one way: the library has some with
// exponents.
func values(text string) []string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = regexp.MustCompile(` [0-9.]+e[+-][0-9]+$| 1099511627776(\.0)?$`).ReplaceAllString(strings.TrimSuffix(l, ".0"), " N")
	}
	return lines
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(written(t, Text, everything()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNames(t *testing.T) {
	read := parsed(t, written(t, Text, everything()))
	for _, d := range All() {
		f := read[d.Name]
		if f == nil || strings.ToLower(f.GetType().String()) != d.Kind.String() {
			t.Errorf("%s is a %v, want a %v", d.Name, f.GetType(), d.Kind)
		}
		if strings.HasSuffix(d.Help, ".") || d.Help == "" {
			t.Errorf("%s: %q is not a sentence without its full stop", d.Name, d.Help)
		}
	}
	if names := Names(); len(names) != len(all)+4 || !slices.Contains(names, "smcroute_learn_duration_seconds_bucket") {
		t.Errorf("names: %v", names)
	}
}

func TestWanted(t *testing.T) {
	for accept, want := range map[string]Format{
		"":                             Text,
		"*/*":                          Text,
		"text/html":                    Text,
		"application/openmetrics-text": OpenMetrics,
		"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2": OpenMetrics,
		"application/openmetrics-text; version=0.0.1":           Text,
		"application/openmetrics-text;q=0.2,text/plain;q=0.9":   Text,
		"application/openmetrics-text;q=0":                      Text,
		"application/openmetrics-text;q=7":                      Text,
		";;;,,=\x00,application/openmetrics-text;version=1.0.0": OpenMetrics,
	} {
		if got := wanted([]string{accept}); got != want {
			t.Errorf("%q gets %s", accept, got.ContentType())
		}
	}
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Version: "1.2.3", Routers: func(context.Context) []Router {
		r := says(snapshot(0, []int{1}))
		r.Meter = &meter.Router{}
		return []Router{r}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, l, c) }()
	get := func(method, path, accept string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+l.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(body)
	}
	answer, body := get("GET", "/metrics", "")
	if answer.Header.Get("Content-Type") != Text.ContentType() || parsed(t, body)["smcroute_build_info"] == nil {
		t.Errorf("%s: %s", answer.Header.Get("Content-Type"), body)
	}
	answer, body = get("GET", "/metrics", "application/openmetrics-text;version=1.0.0")
	if answer.Header.Get("Content-Type") != OpenMetrics.ContentType() || !strings.HasSuffix(body, "\n# EOF\n") {
		t.Errorf("%s: %s", answer.Header.Get("Content-Type"), body)
	}
	for what, want := range map[string]int{"POST /metrics": http.StatusMethodNotAllowed, "GET /": http.StatusNotFound, "HEAD /metrics": http.StatusOK} {
		method, path, _ := strings.Cut(what, " ")
		if answer, _ := get(method, path, ""); answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", what, answer.Status, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}
