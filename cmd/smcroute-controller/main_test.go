package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, v := range []string{"KUBECONFIG", "POD_NAMESPACE", "KUBERNETES_SERVICE_HOST"} {
		t.Setenv(v, "")
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("leader-elect: false\nkubeconfig: /nowhere/config\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"help", "--help", exitOK, "--counters-interval TIME", ""},
		{"version", "--version", exitOK, "smcroute-controller v", ""},
		{"unknown option", "--status-intervall=1s", exitUsage, "", "did you mean --status-interval?"},
		{"no namespace", "", exitUsage, "", "--leader-election-namespace is not given"},
		{"bad namespace", "--leader-election-namespace=A_B", exitUsage, "", `"A_B" is not the name of a namespace`},
		{"no interval", "--leader-elect=false --status-interval=0s", exitUsage, "", "--status-interval: expected more than 0s"},
		{"too short", "--leader-elect=false --counters-interval=1s", exitUsage, "", "--counters-interval: expected no less than the --status-interval of 10s, not 1s"},
		{"no cluster", "--leader-elect=false", exitConfig, "", "there is no Kubernetes here"},
		{"no such file", "--config=" + file, exitConfig, "", "--kubeconfig: stat /nowhere/config"},
		{"the command line wins", "--config=" + file + " --kubeconfig=/elsewhere", exitConfig, "", "/elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat(namespaceFile); err == nil && tt.args == "" {
				t.Skipf("%s gives the namespace; run this outside of pods", namespaceFile)
			}
			var stdout, stderr bytes.Buffer
			if code := run(strings.Fields(tt.args), &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || (tt.stdout == "") != (stdout.Len() == 0) {
				t.Errorf("stdout: %s", &stdout)
			}
			if !strings.Contains(stderr.String(), tt.stderr) || (tt.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("stderr: %s", &stderr)
			}
		})
	}
}
