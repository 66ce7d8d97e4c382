package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// profile begins to take a CPU profile of the API server, and one of this process with
// its agents, if there is a folder for them, and returns what ends and writes them:
// NAME.prof and NAME.agents.prof, and after them NAME.heap, NAME.agents.heap and
// NAME.agents.goroutine.
func (m *meter) profile(dir, name string) (end func()) {
	if dir == "" {
		return func() {}
	}
	file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { m.fetch(ctx, "profile?seconds=40", file+".prof") })
	agents, err := os.Create(file + ".agents.prof")
	if err == nil {
		err = pprof.StartCPUProfile(agents)
	}
	m.profiled(err)
	return func() {
		pprof.StopCPUProfile()
		_ = agents.Close() // it was written to without an error, or is of no use
		wg.Wait()
		cancel()
		m.fetch(context.Background(), "heap", file+".heap")
		for _, what := range []string{"heap", "goroutine"} {
			out, err := os.Create(file + ".agents." + what)
			if err == nil {
				err = pprof.Lookup(what).WriteTo(out, 0)
				_ = out.Close() // the same
			}
			m.profiled(err)
		}
	}
}

// profiled says that there is no profile.
func (m *meter) profiled(err error) {
	if err != nil {
		m.tb.Logf("profile: %v", err)
	}
}

// fetch writes what the API server's /debug/pprof says into a file.
func (m *meter) fetch(ctx context.Context, what, file string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+kubelab.Address+":"+kubelab.Port+"/debug/pprof/"+what, nil)
	if err != nil {
		m.tb.Fatalf("%s: %v", what, err)
	}
	response, err := m.http.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	m.profiled(err)
}
