// Krew makes what a release of kubectl multicast is made of: an archive for each
// platform, and the manifest from which krew installs it.
//
//	make krew                                      # or: go run ./hack/krew -version 1.2.3
//	dist/krew/kubectl-multicast-linux-amd64.tar.gz, ...
//	dist/krew/multicast.yaml
//
// The archives belong to the release v1.2.3 of the project, where the manifest says
// that they are; the manifest belongs to krew's index. To try both before:
//
//	kubectl krew install --manifest=dist/krew/multicast.yaml --archive=dist/krew/kubectl-multicast-linux-amd64.tar.gz
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// platforms are what people have on their desks.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64"

func main() {
	version := flag.String("version", "", "`version` of the release, as 1.2.3")
	root := flag.String("root", ".", "`directory` of the project")
	out := flag.String("o", "dist/krew", "`directory` for the files")
	list := flag.String("platforms", platforms, "`os/arch,...`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := run(ctx, *version, *root, *out, strings.Split(*list, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "krew:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, version, root, out string, platforms []string) error {
	if version == "" || strings.HasPrefix(version, "v") {
		return fmt.Errorf("-version %q: expected one as 1.2.3", version)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var archives []archive
	for _, p := range platforms {
		goos, goarch, ok := strings.Cut(p, "/")
		if !ok {
			return fmt.Errorf("-platforms: %q is none: expected one as linux/amd64", p)
		}
		program, err := build(ctx, root, version, goos, goarch)
		if err != nil {
			return err
		}
		a, err := pack(out, goos, goarch, program, filepath.Join(root, "LICENSE"))
		_ = os.RemoveAll(filepath.Dir(program))
		if err != nil {
			return err
		}
		archives = append(archives, a)
	}
	return writeManifest(filepath.Join(out, pluginName+".yaml"), version, archives)
}
