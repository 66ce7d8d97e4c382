package oci_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/smcroute/kube-smcroute/hack/image/oci"
)

// containerd starts one with directories of its own, and returns its socket. It
// ends with the test.
func containerd(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("containerd runs as root alone: run this test as root")
	}
	for _, program := range []string{"containerd", "ctr"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s: apt-get install containerd", program)
		}
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "sock")
	config := filepath.Join(dir, "config.toml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = %q
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket, dir, dir), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command("containerd", "--config", config)
	cmd.Stdout, cmd.Stderr = &log, &log
	// What it mounts goes away with it, and it goes away with the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the thread that starts it must live on for Pdeathsig
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait() // its output is told below
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-done
		if t.Failed() {
			t.Logf("containerd said:\n%s", log.String())
		}
		runtime.UnlockOSThread()
	})
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return socket
		}
		select {
		case <-poll.C:
		case <-done:
			t.Fatal("containerd ended")
		case <-deadline:
			t.Fatal("containerd has not opened its socket for 20 s")
		}
	}
}

// An image that was imported is the one that a kubelet finds, by the name that
// manifests have.
func TestContainerdImports(t *testing.T) {
	socket := containerd(t)
	source := write(t, "program", "static")
	image := func(arch string) oci.Image {
		i := oci.Image{Arch: arch, Files: []oci.File{oci.Program(source)}}
		i.Config.User = "65532:65532"
		return i
	}
	index, err := oci.Index(image("amd64"), image("arm64"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "kube-smcroute:1.2.3-4-g0123abc-dirty"
	file := filepath.Join(t.TempDir(), "image.tar")
	if _, err := oci.Write(file, name, index); err != nil {
		t.Fatal(err)
	}
	// The snapshotter that needs nothing of the file system below.
	out, err := exec.Command("ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "--snapshotter", "native", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ctr images import: %v\n%s", err, out)
	}
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	status, err := cri.NewImageServiceClient(conn).ImageStatus(t.Context(), &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: name}}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	got := status.GetImage()
	if got.GetUid().GetValue() != 65532 || len(got.GetRepoTags()) != 1 || !strings.HasSuffix(got.GetRepoTags()[0], "/library/"+name) {
		t.Errorf("a kubelet that asks for %s gets %v", name, got)
	}
}
