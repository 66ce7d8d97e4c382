package clusterlab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckContainerd(t *testing.T) {
	for says, want := range map[string]string{
		"containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3": "",
		"containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da":    "",
		"containerd github.com/containerd/containerd/v2 v2.1.4 75cb2b7193e4e490":      "",
		"containerd github.com/containerd/containerd 1.5.9-0ubuntu1 ":                 "containerd is 1.5.9-0ubuntu1: kubelets need 1.6 or later",
		"containerd 0.2.5": "containerd is 0.2.5: kubelets need 1.6 or later",
		"no idea":          `containerd --version says "no idea": expected a version`,
	} {
		err := checkContainerd(says)
		if got := errText(err); got != want {
			t.Errorf("%q: %q, expected %q", says, got, want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFindPlugins(t *testing.T) {
	some, all := t.TempDir(), t.TempDir()
	for _, name := range []string{"bridge", "ptp", "host-local", "loopback", "portmap"} {
		for _, dir := range []string{some, all} {
			if dir == some && name == "ptp" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := findPlugins("/nowhere", some, all); got != all || err != nil {
		t.Errorf("%q, %v, expected %q", got, err, all)
	}
	if _, err := findPlugins("/nowhere", some); err == nil || !strings.Contains(err.Error(), "none of /nowhere, "+some) {
		t.Errorf("error %v: expected one that says where they were looked for", err)
	}
}

func TestHosts(t *testing.T) {
	for number, want := range map[int]string{
		1: "10.77.0.1/24 fd00:10:77::1/64", 11: "10.77.0.11/24 fd00:10:77::11/64",
		101: "10.77.0.101/24 fd00:10:77::101/64", 255: "10.77.0.255/24 fd00:10:77::255/64",
	} {
		a := studioLAN.hosts(number)
		if got := a[0].String() + " " + a[1].String(); got != want {
			t.Errorf("host %d: %s, expected %s", number, got, want)
		}
	}
}
