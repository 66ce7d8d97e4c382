package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// newRegistry serves one on loopback that knows one user, and returns its
// address.
func newRegistry(t *testing.T, user, password string) string {
	t.Helper()
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPush(t *testing.T) {
	address := newRegistry(t, "me", "secret")
	// As docker login leaves it.
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("REGISTRY_AUTH_FILE", "")
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte("static"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"-o", filepath.Join(dir, "out"), "-file", file + ":/program", "-push", address + "/kube-smcroute:1.2.3"}
	if err := run(t.Context(), args, io.Discard, os.Stderr); err == nil || !strings.Contains(err.Error(), "pushing "+address+"/kube-smcroute:1.2.3") {
		t.Errorf("without credentials: got %v", err)
	}
	login := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, address, base64.StdEncoding.EncodeToString([]byte("me:secret")))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout strings.Builder
	if err := run(t.Context(), args, &stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
	pulled := pull(t, address+"/kube-smcroute:1.2.3")
	if want := address + "/kube-smcroute:1.2.3@" + pulled.String() + "\n"; !strings.HasSuffix(stdout.String(), want) {
		t.Errorf("told %q, want it to end with %q", stdout.String(), want)
	}
}

func TestPushOfAllArchitectures(t *testing.T) {
	address := newRegistry(t, "", "")
	files := []oci.File{{Path: "/program", Data: []byte("static")}}
	index, err := oci.Index(oci.Image{Arch: "amd64", Files: files}, oci.Image{Arch: "arm64", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := oci.Reference(address + "/a/b:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := push(t.Context(), ref, index); err != nil {
		t.Fatal(err)
	}
	if got, want := pull(t, ref.String()), digest(t, index); got != want {
		t.Errorf("the registry has %v, want %v", got, want)
	}
}

// pull checks all that the registry has under ref, and returns its digest.
func pull(t *testing.T, ref string) v1.Hash {
	t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	return digest(t, index)
}
