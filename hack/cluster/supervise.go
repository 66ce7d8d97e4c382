package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
	"github.com/smcroute/kube-smcroute/test/clusterlab/capsule"
	"github.com/smcroute/kube-smcroute/test/door"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// supervise is both the process outside of the cluster's namespaces, which tidies
// up, and the one inside, which starts the cluster and then takes commands until
// it is asked to end.
func supervise(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	door, err := door.Open()
	if err != nil {
		return err
	}
	if err := clusterlab.Isolate(label, func(dir string) error { return buildImage(dir, o) }); err != nil {
		return err
	}
	// Until the cluster is up, a signal ends the program, and so all that there is.
	ctx := context.Background()
	err = netlab.Run(func(tb netlab.TB) {
		c := clusterlab.Start(printer{tb}, clusterlab.Options{Nodes: o.nodes, Images: imagesOf(o)})
		door.Serve(clusterlab.Address + ":" + clusterlab.Port)
		if err := serve(c, door.Addr()); err != nil {
			tb.Fatalf("%v", err)
		}
		for _, file := range imagesOf(options{}) {
			_ = os.Remove(file) // it is in the nodes
		}
		var cancel context.CancelFunc
		ctx, cancel = signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		tb.Cleanup(cancel)
		<-ctx.Done()
	})
	if ctx.Err() != nil {
		return nil // whatever failed did so because everything ends
	}
	return err
}

// printer tells people what the lab logs.
type printer struct{ netlab.TB }

func (printer) Logf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// images is the folder of the project's image, in that of the lab, and programs
// that of what is in it.
const (
	images   = "images"
	programs = images + "/linux-" + runtime.GOARCH
)

// buildImage builds the project's image, unless there is another.
func buildImage(dir string, o options) error {
	fmt.Println(clusterlab.Versions())
	if len(o.images) > 0 {
		return nil
	}
	root, err := kubelab.Root()
	if err != nil {
		return err
	}
	version, err := chartVersion(root)
	if err != nil {
		return err
	}
	fmt.Printf("building the image kube-smcroute:%s\n", version)
	cmd := exec.Command(clusterlab.GoCommand(), "run", "./hack/image", "-o", filepath.Join(dir, images), "-version", version, "-arch", runtime.GOARCH)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	capsule.Tie(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go run ./hack/image: %w", err)
	}
	return nil
}

// imagesOf returns the files of the images.
func imagesOf(o options) []string {
	if len(o.images) > 0 {
		return o.images
	}
	files, _ := filepath.Glob(filepath.Join(clusterlab.Dir(), images, "*.tar"))
	return files
}

// chartVersion is the tag of the image that the chart asks for.
func chartVersion(root string) (string, error) {
	file := filepath.Join(root, "charts/kube-smcroute/Chart.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var chart struct {
		AppVersion string `json:"appVersion"`
	}
	if err := yaml.Unmarshal(text, &chart); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if chart.AppVersion == "" {
		return "", errors.New(file + " has no appVersion")
	}
	return chart.AppVersion, nil
}
