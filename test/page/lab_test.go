package page

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/smcroute/kube-smcroute/test/netlab"
	"github.com/smcroute/kube-smcroute/test/programs"
)

// deadline is how long anything may take that happens within seconds.
const deadline = 60 * time.Second

// lab is a router with its page, and a browser that looks at it. Both are in the
// namespace of the test itself.
//
//	sender:eth0 ---- in:node:out ---- eth0:receiver
//	                   node:<b>x ---- eth1:receiver
type lab struct {
	*testing.T
	sender, node, receiver *netlab.NS

	dir, addr string
	tab       context.Context // of chromedp
	trouble   *programs.Output
}

// hostile is the name of an interface that would be markup.
const hostile = "<b>x"

func newLab(t *testing.T, conf ...string) *lab {
	needBrowser(t)
	l := &lab{T: t, sender: netlab.New(t), node: netlab.Own(t), receiver: netlab.New(t), dir: t.TempDir(), trouble: &programs.Output{}}
	l.sender.Veth("eth0", l.node, "in")
	l.node.Veth("out", l.receiver, "eth0")
	l.node.Veth(hostile, l.receiver, "eth1")
	t.Cleanup(func() {
		for _, link := range []string{"in", "out", hostile} {
			l.node.Delete(link)
		}
	})
	l.route(conf...)
	return l
}

// route starts smcrouted, with these lines as its configuration.
func (l *lab) route(conf ...string) {
	l.Helper()
	file := func(name string) string { return filepath.Join(l.dir, name) }
	l.addr = l.freeAddr()
	l.configure(conf...)
	cmd := exec.Command("smcrouted", "-n", "-f", file("conf"), "-P", file("pid"), "-u", file("sock"), "--ui", l.addr)
	programs.RunDaemon(l, cmd, file("pid"), deadline)
}

// configure writes the configuration file.
func (l *lab) configure(conf ...string) {
	l.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, "conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		l.Fatal(err)
	}
}

// freeAddr is an address of this namespace, in which nobody else takes any.
func (l *lab) freeAddr() string {
	l.Helper()
	s, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.Fatal(err)
	}
	defer s.Close()
	return s.Addr().String()
}

// browse opens the page in a browser.
func (l *lab) browse() {
	l.Helper()
	parent, err := started()
	if err != nil {
		l.Fatalf("starting the browser: %v", err)
	}
	tab, end := chromedp.NewContext(parent)
	l.tab = tab
	l.Cleanup(end)
	if err := chromedp.Listen(tab, func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			fmt.Fprintf(l.trouble, "%s: %s %s\n", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		case *runtime.EventExceptionThrown:
			fmt.Fprintf(l.trouble, "%s %s\n", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
		case *runtime.EventConsoleAPICalled:
			for _, a := range e.Args {
				fmt.Fprintf(l.trouble, "%s: %s\n", e.Type, a.Value)
			}
		}
	}); err != nil {
		l.Fatalf("opening a tab: %v", err)
	}
	l.do("opening the page", chromedp.EmulateViewport(1280, 800), chromedp.Navigate("http://"+l.addr+"/"))
}

// run has the browser do something, and returns what comes of it.
func run[T any](l *lab, what string, action chromedp.Action[T]) T {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.tab, deadline)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		l.Fatalf("%s: %v\n%s", what, err, l.trouble)
	}
	return v
}

// eval is the value of an expression in the page.
func eval[T any](l *lab, script string, options ...chromedp.EvaluateOption) T {
	l.Helper()
	return run(l, script, chromedp.Evaluate[T](script, options...))
}

// do has the browser do several things.
func (l *lab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	l.Helper()
	run(l, what, chromedp.Steps(actions...))
}

// text is that of an element, as it is seen; "" if there is none.
func (l *lab) text(selector string) string {
	l.Helper()
	return eval[string](l, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// row is the text of the table's row that has all these words.
func (l *lab) row(words ...string) string {
	l.Helper()
	for _, row := range eval[[]string](l, "[...document.querySelectorAll('#streams tbody tr')].map((row) => row.innerText)") {
		has := true
		for _, w := range words {
			has = has && strings.Contains(row, w)
		}
		if has {
			return row
		}
	}
	return ""
}

// await waits until a row has all these words.
func (l *lab) await(words ...string) {
	l.Helper()
	if !netlab.Poll(deadline, func() bool { return l.row(words...) != "" }) {
		l.Fatalf("no row has %q; the page:\n%s\n%s", words, l.text("body"), l.trouble)
	}
}

// clearFilter has all streams shown again.
func (l *lab) clearFilter() {
	l.Helper()
	eval[bool](l, "document.querySelector('#text').value = '', document.querySelector('#text').dispatchEvent(new Event('input'))")
}

// shot writes a picture of what is seen, where the environment asks for it.
func (l *lab) shot(name string, actions ...chromedp.Action[chromedp.Void]) {
	l.Helper()
	dir := os.Getenv("PAGE_SHOTS")
	if dir == "" {
		return
	}
	l.do("preparing a picture", actions...)
	png := run(l, "a picture", chromedp.FullScreenshot(100))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)); err != nil {
		l.Fatal(err)
	}
}

// serveEvil serves an empty page of another origin.
func (l *lab) serveEvil() (addr string) {
	l.Helper()
	s, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		l.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	})}
	go func() { _ = server.Serve(s) }()
	l.Cleanup(func() { _ = server.Close() })
	return s.Addr().String()
}
