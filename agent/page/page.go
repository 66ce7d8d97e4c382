package page

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// Router is a router that the page shows.
type Router struct {
	Name string // what people call it: "main", or its place

	// Survey gives what it has some at a time, and returns the rest of its state.
	Survey func(context.Context, view.Visit) (*view.State, error)
}

// Pods are those whose links and addresses a node knows, by "namespace/name".
type Pods struct {
	ByLink map[string][]string   // on this link of the main router's namespace
	ByAddr map[netip.Addr]string // with this address
}

// Options configure a page. All functions may be called from any goroutine, but
// each by one at a time.
type Options struct {
	Program string // whose page it is: "smcrouted"
	Version string // of the program
	Host    string // name of the machine

	// Routers are the routers, that of the node first.
	Routers func(context.Context) []Router

	// WriteState writes the state of a router, "" for that of the node, as JSON of
	// [view.State]. The error is [ErrNoRouter] if there is none of that name; with any
	// other the text is not complete. nil: nobody does. It may be called by several at
	// a time.
	WriteState func(ctx context.Context, router string, w io.Writer) error

	// Examine looks for what keeps packets from their way. It may take seconds.
	// nil: nobody looks.
	Examine func(context.Context) (diagnose.Report, error)

	// Pods names pods. nil: there are none.
	Pods func() Pods

	// Unwatched is called when nobody has looked for a while: memory is free
	// that the page took. It may be nil.
	Unwatched func()
}

// ErrNoRouter says that there is no router of a name.
var ErrNoRouter = errors.New("there is no router of that name")

//go:embed static
var static embed.FS

// page answers requests.
type page struct {
	o        Options
	watch    *watch
	findings *lookout
}

// New returns the handler of a page.
func New(o Options) http.Handler {
	p := &page{o: o, watch: newWatch(o), findings: newLookout(o.Examine)}
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // of the name alone
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/page", p.document)
	if o.WriteState != nil {
		mux.HandleFunc("GET /api/state", p.state)
	}
	mux.HandleFunc("GET /api/findings", p.found)
	return guard(mux)
}

// document answers with a [Document], as soon as there is one after the number that
// the query tells of.
func (p *page) document(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reading, err := p.watch.after(r.Context(), q.after)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	of := reading.router(q.router)
	if of == nil {
		http.Error(w, "there is no router "+strconv.Quote(q.router), http.StatusNotFound)
		return
	}
	d := document(reading, of, q)
	d.Program, d.Version, d.Host, d.Doctor = p.o.Program, p.o.Version, p.o.Host, p.o.Examine != nil
	reply(w, d)
}

// state answers with a [view.State], which may be long: it is sent as it comes.
func (p *page) state(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("router")
	out := &started{ResponseWriter: w}
	switch err := p.o.WriteState(r.Context(), name, out); {
	case err == nil:
	case out.yes:
		panic(http.ErrAbortHandler) // so that the client does not take it for all
	case errors.Is(err, ErrNoRouter):
		http.Error(w, "there is no router "+strconv.Quote(name), http.StatusNotFound)
	default:
		p.fail(w, r, fmt.Errorf("the router does not answer: %w", err))
	}
}

// started is an answer of JSON that may have begun.
type started struct {
	http.ResponseWriter
	yes bool
}

func (s *started) Write(text []byte) (int, error) {
	if !s.yes {
		s.yes = true
		s.Header().Set("Content-Type", jsonType)
	}
	return s.ResponseWriter.Write(text)
}

// found answers with [Findings].
func (p *page) found(w http.ResponseWriter, r *http.Request) {
	if p.o.Examine == nil {
		http.Error(w, "nobody looks for findings here", http.StatusNotFound)
		return
	}
	found, err := p.findings.look(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	reply(w, found)
}

// fail tells a client that waits why it gets nothing.
func (p *page) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

const jsonType = "application/json; charset=utf-8"

// reply writes v as JSON. That it cannot be written is the client's business.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(v)
}

// seconds are those of a duration, for JSON.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
