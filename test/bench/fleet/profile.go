package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/smcroute/kube-smcroute/test/kubelab"
)

// profile begins to take a CPU profile of the API server, if there is a folder for
// it, and returns what ends and writes it: NAME.prof, and NAME.heap after it.
func (m *meter) profile(dir, name string) (end func()) {
	if dir == "" {
		return func() {}
	}
	file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { m.fetch(ctx, "profile?seconds=40", file+".prof") })
	return func() {
		wg.Wait()
		cancel()
		m.fetch(context.Background(), "heap", file+".heap")
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
	if err != nil {
		m.tb.Logf("%s: %v", what, err)
	}
}
