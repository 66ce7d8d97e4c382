package page

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) { programs.Main(browsing{m}) }

// browsers are the programs of Debian's packages chromium-headless-shell and
// chromium, the smaller one first.
var browsers = []string{"chromium-headless-shell", "chromium"}

// path is that of a browser; "" if there is none.
func path() string {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func needBrowser(t *testing.T) {
	t.Helper()
	if path() == "" {
		t.Skipf("needs a browser: none of %v is in PATH; hack/chromium installs one as root", browsers)
	}
}

// started starts the browser of all tests, when the first one asks for it. The
// result is a context of chromedp. The browser is in the test's own namespace.
var started = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		return nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path()), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(deadline),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
	}
	for _, name := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions", "disable-dev-shm-usage",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	browser, _ := chromedp.NewContext(allocator)
	endBrowser = func() {
		_ = chromedp.Cancel(browser)
		cancel()
		_ = os.RemoveAll(dir)
	}
	return browser, chromedp.Do(browser)
})

// endBrowser ends it. nil: it was not started.
var endBrowser func()

// browsing ends the browser after the tests.
type browsing struct{ m interface{ Run() int } }

func (b browsing) Run() int {
	code := b.m.Run()
	if endBrowser != nil {
		endBrowser()
	}
	return code
}
