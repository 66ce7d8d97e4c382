package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// makeVariable is what a variable of the Makefile is when VERSION is 1.2.3.
func makeVariable(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command("make", "--no-print-directory", "-C", "../..", "--eval", "print-it: ; @printf '%s' '$("+name+")'", "print-it",
		"VERSION=1.2.3", "SYSCONFDIR=/etc", "RUNSTATEDIR=/run")
	// Not those of a make that runs this test.
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "MFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make: %v", err)
	}
	return string(out)
}

func TestProgramsAreBuiltAsByMake(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make: install it to compare with the Makefile")
	}
	if got, want := ldflags("1.2.3"), makeVariable(t, "LDFLAGS"); got != want {
		t.Errorf("programs are linked with %q, those of the Makefile with %q", got, want)
	}
	for _, flag := range strings.Fields(makeVariable(t, "GOFLAGS")) {
		if strings.HasPrefix(flag, "-mod") { // of the environment
			continue
		}
		if !slices.Contains(buildFlags("1.2.3"), flag) {
			t.Errorf("programs are not built with %s, as those of the Makefile", flag)
		}
	}
	for _, path := range strings.Fields(makeVariable(t, "BARE_METAL") + " " + makeVariable(t, "KUBERNETES")) {
		if !slices.Contains(programs, strings.TrimPrefix(path, "./cmd/")) {
			t.Errorf("make build builds %s, which the image has not", path)
		}
	}
}
