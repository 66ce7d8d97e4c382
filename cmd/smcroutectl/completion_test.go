package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smcroute/kube-smcroute/agent/ipc"
)

const knownState = `{"rules":[{"group":"232.1.0.0/16","iif":"eth0"}],"flows":[{"source":"10.0.0.1","group":"232.1.1.1"},{"group":"ff0e::1"}],
"links":[{"index":1,"name":"eth0"},{"index":2,"name":"et$(reboot)"},{"index":3,"name":"eth1"},{"index":4,"name":"br0"}]}`

// knowing is a daemon with that state.
func knowing(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	s, err := ipc.Listen(socket, ipc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, knower{}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket
}

type knower struct{}

func (knower) Handle(_ context.Context, _ ipc.Request, out io.Writer) error {
	_, err := io.WriteString(out, knownState)
	return err
}

func TestComplete(t *testing.T) {
	socket := knowing(t)
	for _, tt := range []struct{ line, want string }{
		{"re", "reload restart remove"},
		{"t", "top tree trace"},
		{"help wat", "watch"},
		{"show ", "groups interfaces pending routes"},
		{"-d show p", "pending"},
		{"completion z", "zsh"},
		{"flows -o ", "json yaml wide"},
		{"flows ", "10.0.0.1 232.1.0.0/16 232.1.1.1 ff0e::1"},
		{"flows 10.0.0.1 232.1.1", "232.1.1.1"},
		{"flows ff0e:", "ff0e::1"},
		{"add e", "eth0 eth1"},
		{"add eth0 232.1.1.1 b", "br0"},
		{"add f", "from"},
		{"join f", "from"},
		{"join from e", "eth0 eth1"},
		{"leave from eth0 ", "source group"},
		{"join from eth0 group 232.1.1", "232.1.1.1"},
		{"add from e", "eth0 eth1"},
		{"del from eth0 ", "source group except native learn flows to"},
		{"add from eth0 group 232.1.1", "232.1.1.1"},
		{"add from eth0 group 232.1.1.1 native flows ", ""},
		{"add from eth0 group 232.1.1.1 native ", "source except learn flows to"},
		{"add from eth0 group 232.1.1.1 native to eth1 b", "br0"},
		{"flush ", ""},
		{"bogus ", ""},
		{"-i ", ""},
		{"-di x re", "reload restart remove"},
	} {
		words := append([]string{"__complete", "--", "-u", socket}, strings.Split(tt.line, " ")...)
		got := runWith(t, "", words...)
		if diff := cmp.Diff(result{0, tt.want, ""}, result{got.Code, strings.Join(strings.Fields(got.Stdout), " "), got.Stderr}); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.line, diff)
		}
	}
}

func TestCompletionNeedsAShell(t *testing.T) {
	want := result{1, "", "smcroutectl: Command completion needs one of bash, zsh, fish\n"}
	if diff := cmp.Diff(want, runWith(t, "", "completion", "tcsh")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMain makes the test's program smcroutectl itself, for scripts that run it.
func TestMain(m *testing.M) {
	if os.Getenv("SMCROUTECTL_TEST_RUN") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestShells runs the scripts in the shells themselves, with the cursor behind a line.
func TestShells(t *testing.T) {
	socket := knowing(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "smcroutectl")); err != nil {
		t.Fatal(err)
	}
	drivers := map[string]string{
		"bash": `eval "$(smcroutectl completion bash)"
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n:'
_smcroutectl
printf '%s\n' "${COMPREPLY[@]}"`,
		// Without a terminal zsh has no completion: what the script would add is printed.
		"zsh": `compdef() { :; }
compadd() { shift; print -rl -- "$@"; }
eval "$(smcroutectl completion zsh)"
words=("${(@s: :)1}") CURRENT=${#words}
_smcroutectl`,
		"fish": `smcroutectl completion fish | source
complete --do-complete $argv[1]`,
	}
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("there is no %s in PATH: apt-get install %s", shell, shell)
			}
			file := filepath.Join(dir, "driver."+shell)
			if err := os.WriteFile(file, []byte(drivers[shell]), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct{ line, want string }{
				{"re", "reload restart remove"},
				{"-u " + socket + " add eth0 232.1.1.1 e", "eth0 eth1"},
				{"-u " + socket + " flows 232.1.1", "232.1.1.1"},
				{"-u " + socket + " flows ff0e:", map[string]string{"bash": ":1"}[shell]}, // behind the colon, for bash
			} {
				if tt.want == "" {
					tt.want = "ff0e::1"
				}
				cmd := exec.Command(shell, file, "smcroutectl "+tt.line)
				cmd.Env = append(os.Environ(), "SMCROUTECTL_TEST_RUN=1", "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
				out, err := cmd.CombinedOutput()
				got := strings.Join(strings.Fields(string(out)), " ")
				if err != nil || sorted(got) != sorted(tt.want) {
					t.Errorf("%q: got %q, want %q (%v)", tt.line, got, tt.want, err)
				}
			}
		})
	}
}

func sorted(words string) string {
	return strings.Join(slices.Sorted(strings.FieldsSeq(words)), " ")
}
